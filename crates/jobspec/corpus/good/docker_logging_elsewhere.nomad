job "j" {
  group "g" {
    task "t" {
      driver = "docker"

      config {
        image = "redis:7"

        logging {
          type = "syslog"

          config {
            syslog-address = "udp://127.0.0.1:514"
            tag            = "redis"
          }
        }
      }
    }
  }
}
