job "limited" {
  group "g" {
    max_run_duration = "90m"
    task "t" {
      driver = "mock_driver"
    }
  }
}
