job "j" {
  dynamic "constraint" {
    for_each = ["a", "b"]

    content {
      atribute = constraint.value
    }
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
