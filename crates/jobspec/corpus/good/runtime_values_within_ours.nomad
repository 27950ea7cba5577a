locals {
  fixed = false
}

job "j" {
  group "g" {
    task "t" {
      driver = "mock_driver"
      env {
        LIST = join(",", ["${NOMAD_PORT_a}", "${NOMAD_PORT_b}"])
        CHOICE = local.fixed ? "80" : NOMAD_PORT_http
        FORMAT = format("%s:%d", "${attr.unique.network.ip-address}", 80)
      }
    }
  }
}
