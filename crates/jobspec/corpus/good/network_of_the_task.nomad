job "j" {
  group "g" {
    task "t" {
      driver = "mock_driver"

      resources {
        network {
          mbits = 10
          port "http" {}
          port "db" {
            static = 5432
          }
        }
      }
    }
  }
}
