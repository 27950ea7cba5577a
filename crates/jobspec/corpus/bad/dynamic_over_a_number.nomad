job "j" {
  dynamic "constraint" {
    for_each = 3
    content {}
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
