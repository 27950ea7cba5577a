job "j" {
  constraint {
    attribute = $attr.kernel.name
    value     = "linux"
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
