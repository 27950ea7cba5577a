job "j" {
  meta {
    a = "x${[1, 2]}"
    b = "x${null}"
    c = "x${{}}"
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
