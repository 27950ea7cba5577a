job "j" {
  dynamic "constrain" {
    for_each = [1]
    content {}
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
