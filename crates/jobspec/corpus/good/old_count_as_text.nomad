job "j" {
  group "g" {
    count = "5"
    task "t" {
      driver = "mock_driver"
    }
  }
}
