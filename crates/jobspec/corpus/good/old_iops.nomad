job "j" {
  group "g" {
    task "t" {
      driver = "mock_driver"
      resources {
        cpu  = 100
        iops = 0
      }
    }
  }
}
