job "j" {
  type = "system"
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
