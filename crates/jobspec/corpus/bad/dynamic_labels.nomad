job "j" {
  group "g" {
    network {
      dynamic "port" {
        for_each = ["a"]
        labels   = port.value
        content {}
      }
    }
    task "t" {
      driver = "mock_driver"
    }
  }
}
