# A service without containers: a shell that prints the time. Needs nothing but Linux, so it is the first thing to
# try: `troupe agent -dev`, `troupe job run sleep.nomad`, `troupe alloc logs -f ..`
job "sleep" {
  datacenters = ["dc1"]

  group "clock" {
    count = 2

    task "print" {
      driver = "raw_exec"

      config {
        command = "/bin/sh"
        args    = ["-c", "trap 'echo bye; exit 0' INT TERM; while true; do date; sleep 2 & wait $!; done"]
      }

      kill_timeout = "3s"

      resources {
        cpu    = 50
        memory = 16
      }
    }
  }
}
