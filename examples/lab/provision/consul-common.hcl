# Written by provisioning from consul-common.hcl and the file of the role.
node_name   = "@NAME@"
data_dir    = "/var/lib/consul"
bind_addr   = "@ADDRESS@"
client_addr = "0.0.0.0"

# DNS where resolvers look for it; other names are asked of whoever answered before.
ports {
  dns = 53
}
recursors = [@RECURSORS@]
