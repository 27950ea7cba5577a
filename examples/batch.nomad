# Work that is done once: three shells count to five and end. `troupe job status batch` then says "dead", and all
# three allocations are complete.
job "batch" {
  datacenters = ["dc1"]
  type        = "batch"

  group "count" {
    count = 3

    restart {
      attempts = 1
      delay    = "5s"
    }

    task "shell" {
      driver = "raw_exec"

      config {
        command = "/bin/sh"
        args    = ["-c", "for i in 1 2 3 4 5; do echo \"$NOMAD_ALLOC_NAME: $i\"; sleep 1; done"]
      }

      resources {
        cpu    = 50
        memory = 16
      }
    }
  }
}
