job "j" {
  group "g" {
    count = 4
    update {
      max_parallel      = 2
      health_check      = "task_states"
      min_healthy_time  = "5s"
      healthy_deadline  = "2m"
      progress_deadline = "0s"
    }
    task "t" {
      driver = "mock_driver"
    }
  }
}
