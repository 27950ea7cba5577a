job "j" {
  group "g" {
    network {
      reserved_ports "http" {
        static = 80
      }
      dynamic_ports "admin" {}
    }
    task "t" {
      driver = "mock_driver"
    }
  }
}
