locals {
  ports = { http = 80, https = 443 }
  names = ["a", "b", "c"]
}

job "j" {
  meta {
    port = local.ports.http
    first = local.names[0]
    last = element(local.names, length(local.names) - 1)
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
