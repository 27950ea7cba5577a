job "j" {
  meta {
    a = join(",", [for x in "abc" : x])
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
