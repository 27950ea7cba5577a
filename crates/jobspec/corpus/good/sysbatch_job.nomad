job "j" {
  type = "sysbatch"
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
