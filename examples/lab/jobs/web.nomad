# A web server on each client that says where it runs: `curl http://web.service.consul:8000` from any machine of the
# lab. Plain processes; busybox comes from Debian. All ask for port 8000, so that a name is enough to call one.
job "web" {
  datacenters = ["dc1"]

  group "web" {
    count = 3

    network {
      port "http" {
        static = 8000
      }
    }

    task "httpd" {
      driver = "raw_exec"

      config {
        command = "/bin/sh"
        args = [
          "-c",
          "mkdir -p local/www && echo \"hello from $(hostname)\" >local/www/index.html && exec busybox httpd -f -p ${NOMAD_PORT_http} -h local/www",
        ]
      }

      resources {
        cpu    = 50
        memory = 32
      }

      service {
        name = "web"
        port = "http"

        check {
          type     = "http"
          path     = "/"
          interval = "5s"
          timeout  = "2s"
        }
      }
    }
  }
}
