job "j" {
  group "g" {
    network {
      dynamic "port" {
        for_each = { http = 8080, admin = 9090 }
        labels   = [port.key]

        content {
          to = port.value
        }
      }
    }
    task "t" {
      driver = "mock_driver"
    }
  }
}
