job "j" {
  meta {
    a = "x" ? 1 : 2
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
