job "j" {
  group "g" {
    task "t" {
      driver = "mock_driver"
      kill_timeout = 20000000000
    }
  }
}
