job "j" {
  group "g" {
    task "t" {
      driver = "docker"

      config {
        image = "redis:7"

        load = "redis.tar"

        healthchecks {
          disable = true
        }
      }
    }
  }
}
