job "j" {
  group "g" {
    task "t" {
      driver = "mock_driver"

      resources {
        cpu        = 100
        memory     = 64
        memory_max = -1
      }
    }
  }
}
