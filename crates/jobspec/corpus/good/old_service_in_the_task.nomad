job "j" {
  group "g" {
    task "t" {
      driver = "mock_driver"
      service {
        name = "web"
        port = "http"
      }
      resources {
        network {
          port "http" {}
        }
      }
    }
  }
}
