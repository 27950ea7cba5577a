job "j" {
  meta {
    a = (1 + 2
    b = 1
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
