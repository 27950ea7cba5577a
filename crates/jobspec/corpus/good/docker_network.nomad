job "j" {
  group "g" {
    task "t" {
      driver = "docker"

      config {
        image = "redis:7"

        network_mode       = "lab"
        network_aliases    = ["cache", "redis"]
        ipv4_address       = "10.20.0.9"
        hostname           = "cache-${NOMAD_ALLOC_INDEX}"
        extra_hosts        = ["db:10.0.0.3"]
        dns_servers        = ["${attr.unique.network.ip-address}"]
        dns_search_domains = ["service.consul"]
        dns_options        = ["ndots:1"]
        mac_address        = "02:42:ac:11:00:02"
      }
    }
  }
}
