job "j" {
  meta {
    a = join(",", ["x"]
    b = 1
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
