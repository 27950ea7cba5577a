# A job that the calendar launches: each night at half past two, in Berlin, on the clock of that place.
#
#   troupe run examples/report.nomad
#   troupe status report              when it is launched next, and what was launched
#   troupe job periodic force report  now, without waiting
job "report" {
  type        = "batch"
  datacenters = ["dc1"]

  periodic {
    crons            = ["30 2 * * *"]
    time_zone        = "Europe/Berlin"
    prohibit_overlap = true
  }

  group "report" {
    # Runs to its end before the main task begins.
    task "fetch" {
      driver = "raw_exec"

      lifecycle {
        hook = "prestart"
      }

      config {
        command = "/bin/sh"
        args    = ["-c", "seq 1 10 > $NOMAD_ALLOC_DIR/data/numbers"]
      }

      resources {
        cpu    = 20
        memory = 20
      }
    }

    task "add" {
      driver = "raw_exec"

      config {
        command = "/bin/sh"
        args    = ["-c", "awk '{ sum += $1 } END { print sum }' $NOMAD_ALLOC_DIR/data/numbers"]
      }

      resources {
        cpu    = 20
        memory = 20
      }
    }
  }
}
