job "j" {
  dynamic "constraint" {
    content {}
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
