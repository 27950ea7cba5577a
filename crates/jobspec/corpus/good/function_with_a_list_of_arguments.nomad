job "j" {
  meta {
    a = max([1, 5, 3]...)
    b = format("%s-%s", ["x", "y"]...)
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
