job "j" {
  meta = { a = 1, a = 2 }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
