job "j" {
  group "g" {
    task "t" {
      driver = "mock_driver"
      resources {
        cores  = 2
        memory = 64
      }
    }
  }
}
