job "j" {
  group "g" {
    network {
      port "http" {}
    }
    task "t" {
      driver = "mock_driver"
      service {
        name = "web"
        port = "http"
        tags = ["a", "b-${NOMAD_ALLOC_INDEX}"]

        check {
          type     = "http"
          path     = "/health"
          interval = "10s"
          timeout  = "2s"

          header {
            Host = ["example.com"]
          }
        }

        check {
          type     = "script"
          command  = "/bin/check"
          args     = ["-v"]
          interval = "30s"
          timeout  = "5s"

          check_restart {
            limit = 3
            grace = "10s"
          }
        }
      }
    }
  }
}
