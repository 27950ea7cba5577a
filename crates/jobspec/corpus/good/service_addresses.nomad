job "j" {
  group "g" {
    network {
      port "http" {
        to = 8080
      }
    }

    service {
      name                = "edge"
      port                = "http"
      enable_tag_override = true
      address_mode        = "host"

      tagged_addresses {
        wan      = "198.51.100.7:443"
        internal = "${attr.unique.network.ip-address}:8080"
        six      = "[fd00::1]:80"
      }

      weights {
        passing = 10
        warning = 2
      }
    }

    task "t" {
      driver = "docker"

      config {
        image = "hashicorp/http-echo"
        ports = ["http"]
      }

      service {
        name         = "own"
        port         = "http"
        address_mode = "driver"

        check {
          type         = "tcp"
          address_mode = "driver"
          interval     = "10s"
          timeout      = "2s"
        }
      }

      service {
        name         = "metrics"
        port         = 9102
        address_mode = "driver"

        weights {
          passing = 0
        }

        check {
          type         = "http"
          path         = "/metrics"
          port         = 9103
          address_mode = "driver"
          interval     = "10s"
          timeout      = "2s"
        }

        check {
          type         = "tcp"
          port         = "http"
          address_mode = "host"
          interval     = "10s"
          timeout      = "2s"
        }
      }
    }
  }
}
