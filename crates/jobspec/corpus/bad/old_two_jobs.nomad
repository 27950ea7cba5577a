job "a" {
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
job "b" {
}
