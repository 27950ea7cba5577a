job "j" {
  meta {
    a = [for x in [1] x]
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
