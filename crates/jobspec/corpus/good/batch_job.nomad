job "j" {
  type     = "batch"
  priority = 80

  group "g" {
    count = 3

    reschedule {
      attempts       = 2
      interval       = "1h"
      delay          = "10s"
      delay_function = "fibonacci"
      max_delay      = "5m"
      unlimited      = false
    }

    restart {
      attempts = 5
      interval = "10m"
      delay    = "5s"
      mode     = "delay"
    }

    task "t" {
      driver = "mock_driver"
    }
  }
}
