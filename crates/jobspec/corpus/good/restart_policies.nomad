job "j" {
  group "g" {
    restart {
      attempts = 3
      interval = "10m"
      delay    = "20s"
      mode     = "delay"
    }
    task "t" {
      driver = "mock_driver"
      restart {
        attempts = 1
      }
    }
  }
}
