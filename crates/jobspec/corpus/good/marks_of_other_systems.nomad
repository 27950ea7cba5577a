job "j" {
  group "g" {
    count = 2
    task "t" {
      driver = "mock_driver"
    }
  }
}
