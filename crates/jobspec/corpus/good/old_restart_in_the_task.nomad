job "j" {
  group "g" {
    task "t" {
      driver = "mock_driver"
      restart {
        attempts = 1
        mode     = "fail"
      }
    }
  }
}
