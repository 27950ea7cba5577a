job "j" {
  dynamic "constraint" {
    for_each = []

    content {
      attribute = "${node.class}"
      value     = "x"
    }
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
