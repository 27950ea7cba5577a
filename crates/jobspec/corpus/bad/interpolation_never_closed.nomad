job "j" {
  meta {
    a = "${var.x"
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
