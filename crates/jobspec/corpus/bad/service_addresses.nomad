job "j" {
  group "g" {
    network {
      port "http" {}
    }

    service {
      name         = "alloc"
      port         = "http"
      address_mode = "alloc"
    }

    service {
      name         = "driver"
      port         = "http"
      address_mode = "driver"
    }

    service {
      name         = "both"
      port         = "http"
      address      = "10.0.0.1"
      address_mode = "host"

      tagged_addresses {
        wan = "198.51.100.7:https"
        lan = "http://198.51.100.7"
      }

      weights {
        passing = 70000
        warning = -1
        critical = 1
      }
    }

    service {
      name                = "number"
      port                = 8080
      address_mode        = "diver"
      enable_tag_override = "perhaps"

      check {
        type         = "tcp"
        port         = 8080
        address_mode = "alloc_ipv6"
        interval     = "10s"
        timeout      = "2s"
      }
    }

    task "raw" {
      driver = "raw_exec"

      config {
        command = "/bin/sleep"
      }

      service {
        name         = "raw"
        port         = 8080
        address_mode = "driver"
      }
    }

    task "host" {
      driver = "docker"

      config {
        image        = "redis"
        network_mode = "host"
      }

      service {
        name         = "host"
        port         = 6379
        address_mode = "driver"

        check {
          type     = "tcp"
          interval = "10s"
          timeout  = "2s"
        }
      }
    }
  }
}
