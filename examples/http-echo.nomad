# Five web servers that each answer with one line of text. They share the network of their node and listen on the
# port that was chosen for them: `dig SRV http-echo.service.consul` lists them all.
job "http-echo" {
  datacenters = ["dc1"]

  constraint {
    attribute = "${attr.kernel.name}"
    value     = "linux"
  }

  update {
    max_parallel     = 1
    min_healthy_time = "10s"
    healthy_deadline = "2m"
  }

  group "echo" {
    count = "5"

    task "server" {
      driver = "docker"

      config {
        image        = "hashicorp/http-echo:0.2.3"
        network_mode = "host"
        args = [
          "-listen", ":${NOMAD_PORT_http}",
          "-text", "hello from ${NOMAD_ALLOC_INDEX} on port ${NOMAD_PORT_http}",
        ]
      }

      resources {
        memory = 32
        network {
          mbits = 10
          port "http" {}
        }
      }

      service {
        name = "http-echo"
        port = "http"
        tags = ["urlprefix-/http-echo"]

        check {
          type     = "http"
          path     = "/health"
          interval = "10s"
          timeout  = "5s"
        }
      }
    }
  }
}
