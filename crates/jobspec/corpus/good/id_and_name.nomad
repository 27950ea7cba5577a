job "j" {
  id   = "other"
  name = "shown"
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
