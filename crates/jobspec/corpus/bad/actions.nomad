job "cache" {
  group "cache" {
    task "redis" {
      driver = "docker"
      config {
        image = "redis:7"
      }
      action "clear it" {
        command = "redis-cli"
      }
      action "twice" {
        command = "date"
      }
      action "twice" {
        command = ""
      }
      action "nothing" {}
      action {
        command = "date"
        shell   = true
      }
    }
  }
}
