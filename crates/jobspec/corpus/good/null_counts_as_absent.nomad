job "j" {
  region = null
  group "g" {
    count = null
    task "t" {
      driver = "mock_driver"
    }
  }
}
