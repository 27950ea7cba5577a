job "j" {
  dynamic "constraint" {
    foreach = [1]
    content {}
  }
  dynamic "constraint" {
    for_each = [1]
    content {}
    other {}
  }
  dynamic "affinity" {
    for_each = [1]
    iterator = 5
    content {}
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
