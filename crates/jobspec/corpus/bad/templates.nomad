job "templates" {
  group "web" {
    task "nginx" {
      driver = "mock_driver"

      template {
        data        = "{{ if .x }}"
        destination = "local/a"
      }

      template {
        data        = "first\n{{ key \"a\" }}"
        destination = "local/b"
      }

      template {
        data        = "{{ nothere }}"
        destination = "local/b"
      }

      template {
        source      = "http://host/x.tpl"
        destination = "../../etc/passwd"
        perms       = "rw-r--r--"
        change_mode = "script"
      }

      template {
        source        = "../../x"
        data          = "x"
        destination   = "local/c"
        change_mode   = "signal"
        change_signal = "SIGNONE"
        wait {
          min = "1m"
          max = "1s"
        }
      }

      template {
        data        = "A=1"
        destination = "secrets/x"
        env         = true
        change_mode = "signal"
      }

      template {
        destination = "local/d"
        change_mode = "reload"
        colour      = "blue"
      }

      template {
        data = "x"
      }
    }
  }
}
