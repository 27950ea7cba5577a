job "j" {
  meta {
    a = [for x of [1] : x]
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
