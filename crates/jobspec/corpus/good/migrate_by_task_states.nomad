job "j" {
  group "g" {
    count = 4

    migrate {
      max_parallel     = 2
      health_check     = "task_states"
      min_healthy_time = "1s"
      healthy_deadline = "1m"
    }

    task "t" {
      driver = "mock_driver"
    }
  }
}
