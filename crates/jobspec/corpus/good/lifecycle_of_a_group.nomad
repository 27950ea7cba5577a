job "j" {
  group "g" {
    task "setup" {
      driver = "mock_driver"

      lifecycle {
        hook = "prestart"
      }
    }

    task "proxy" {
      driver = "mock_driver"

      lifecycle {
        hook    = "prestart"
        sidecar = true
      }
    }

    task "warm" {
      driver = "mock_driver"

      lifecycle {
        hook = "poststart"
      }
    }

    task "clean" {
      driver = "mock_driver"

      lifecycle {
        hook = "poststop"
      }
    }

    task "main" {
      driver = "mock_driver"
    }
  }
}
