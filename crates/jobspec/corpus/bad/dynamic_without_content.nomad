job "j" {
  dynamic "constraint" {
    for_each = [1]
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
