job "j" {
  group "g" {
    network {
      port "http" {}
    }
    service {
      name = "web"
      port = "http"
    }
    task "t" {
      driver = "mock_driver"
    }
  }
}
