# Written by provisioning from common.hcl and the file of the role.
name      = "@NAME@"
data_dir  = "/var/lib/troupe"
bind_addr = "0.0.0.0"

# The first interface of a machine in Vagrant leads out; the others are met on the private network.
advertise {
  http = "@ADDRESS@"
  rpc  = "@ADDRESS@"
  serf = "@ADDRESS@"
}

# DNS where resolvers look for it; other names are asked of whoever answered before.
ports {
  dns = 53
}
recursors = [@RECURSORS@]

