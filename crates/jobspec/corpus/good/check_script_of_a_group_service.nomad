job "j" {
  group "g" {
    network {
      port "http" {}
    }

    service {
      name = "web"
      port = "http"
      task = "t"

      check {
        type     = "script"
        command  = "/bin/sh"
        args     = ["-c", "test -f /local/ready"]
        interval = "10s"
        timeout  = "2s"
      }
    }

    task "t" {
      driver = "mock_driver"
    }
  }
}
