# Of a time when there was no progress_deadline: its default makes room for this one.
job "http-echo" {
  datacenters = ["dc1"]

  update {
    max_parallel      = 1
    canary            = 5
    min_healthy_time  = "30s"
    healthy_deadline  = "10m"
    auto_revert       = true
  }

  group "echo" {
    count = 5

    task "server" {
      driver = "docker"

      config {
        image = "hashicorp/http-echo:0.2.3"
      }
    }
  }
}
