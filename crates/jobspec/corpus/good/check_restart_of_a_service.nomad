job "j" {
  group "g" {
    network {
      port "http" {}
    }

    task "t" {
      driver = "mock_driver"

      service {
        port = "http"

        check_restart {
          limit = 3
          grace = "30s"
        }

        check {
          type     = "tcp"
          interval = "5s"
          timeout  = "1s"
        }

        check {
          name     = "slow"
          type     = "http"
          path     = "/slow"
          interval = "1m"
          timeout  = "20s"

          check_restart {
            limit = 1
          }
        }
      }
    }
  }
}
