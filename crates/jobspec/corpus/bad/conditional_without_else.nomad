job "j" {
  meta {
    a = true ? 1
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
