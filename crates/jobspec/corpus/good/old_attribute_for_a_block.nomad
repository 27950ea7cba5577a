job "j" {
  constraint = { attribute = "${meta.a}", value = "b" }
  group "g" {
    task "t" {
      driver = "mock_driver"
      resources = { cpu = 200, memory = 128 }
    }
  }
}
