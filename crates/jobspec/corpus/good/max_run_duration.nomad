job "limited" {
  type = "batch"
  group "g" {
    max_run_duration = "90m"
    restart {
      render_templates = true
    }
    task "t" {
      driver = "mock_driver"
      restart {
        render_templates = false
      }
    }
  }
}
