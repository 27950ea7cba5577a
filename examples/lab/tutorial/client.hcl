# A client of the tutorial: `nomad agent -config client.hcl`. It names no server: it asks the Consul agent on the
# same machine for the service `nomad`.
data_dir  = "/opt/nomad/client"
bind_addr = "0.0.0.0"

advertise {
  http = "{{ GetAllInterfaces | include \"network\" \"192.168.56.0/24\" | attr \"address\" }}"
}

client {
  enabled           = true
  network_interface = "{{ GetAllInterfaces | include \"network\" \"192.168.56.0/24\" | attr \"name\" }}"
}

consul {
  address = "127.0.0.1:8500"
}
