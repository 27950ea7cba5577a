job "j" {
  meta {
    a = length(range(1e9))
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
