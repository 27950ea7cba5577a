job "cache" {
  group "cache" {
    task "redis" {
      driver = "docker"
      config {
        image = "redis:7"
      }
      action "clear" {
        command = "redis-cli"
        args    = ["-p", "${NOMAD_PORT_db}", "flushall"]
      }
      action "date-1" {
        command = "/bin/date"
      }
    }
  }
}
