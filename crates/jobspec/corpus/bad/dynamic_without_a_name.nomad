job "j" {
  dynamic {
    for_each = [1]
    content {}
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
