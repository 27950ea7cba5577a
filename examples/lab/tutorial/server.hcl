# The server of the tutorial: `nomad agent -config server.hcl`. It registers itself with the Consul agent that runs on
# the same machine, and clients find it there.
data_dir  = "/opt/nomad/server"
bind_addr = "0.0.0.0"

# The address on the private network, whatever its interface is called.
advertise {
  http = "{{ GetAllInterfaces | include \"network\" \"192.168.56.0/24\" | attr \"address\" }}"
  rpc  = "{{ GetAllInterfaces | include \"network\" \"192.168.56.0/24\" | attr \"address\" }}"
  serf = "{{ GetAllInterfaces | include \"network\" \"192.168.56.0/24\" | attr \"address\" }}"
}

server {
  enabled          = true
  bootstrap_expect = 1
}
