# One on every node: a shell that says each minute how its machine is. A node that joins gets one at once; `troupe job
# status node-watch` lists them by node. Two nodes at a time get a new version.
job "node-watch" {
  datacenters = ["dc1"]
  type        = "system"
  priority    = 80

  update {
    max_parallel     = 2
    min_healthy_time = "5s"
  }

  group "watch" {
    restart {
      delay = "5s"
      mode  = "delay"
    }

    task "load" {
      driver = "raw_exec"

      config {
        command = "/bin/sh"
        args    = ["-c", "while :; do echo \"$NOMAD_ALLOC_NAME: $(cat /proc/loadavg)\"; sleep 60; done"]
      }

      resources {
        cpu    = 20
        memory = 16
      }
    }
  }
}
