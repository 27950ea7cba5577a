job "j" {
  group "g" {
    task "t" {
      driver = "docker"

      config {
        image = "redis:7"

        tty         = true
        interactive = true
        init        = true
        entrypoint  = ["/bin/sh", "-c"]
        args        = ["top"]
        work_dir    = "/srv"
      }
    }
  }
}
