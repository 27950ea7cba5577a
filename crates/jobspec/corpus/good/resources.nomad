job "j" {
  group "g" {
    task "t" {
      driver = "mock_driver"
      resources {
        cpu        = 500
        memory     = 256
        memory_max = 512
      }
    }
  }
}
