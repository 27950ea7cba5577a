job "j" {
  meta {
    a = format("%2000000000d", 1)
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
