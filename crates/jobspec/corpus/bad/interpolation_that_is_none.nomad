job "j" {
  meta {
    a = "${var.x +}"
    b = "${upper(}"
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
