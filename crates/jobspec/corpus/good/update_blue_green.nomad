job "echo" {
  datacenters = ["dc1"]

  group "http-echo" {
    count = 5

    update {
      max_parallel     = 1
      canary           = 5
      min_healthy_time = "30s"
      healthy_deadline = "5m"
      auto_revert      = true
      auto_promote     = false
    }

    task "server" {
      driver = "docker"

      config {
        image = "hashicorp/http-echo:0.2.3"
      }
    }
  }
}
