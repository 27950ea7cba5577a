job "j-${var.x}" {
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
