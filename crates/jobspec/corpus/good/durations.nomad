job "j" {
  group "g" {
    task "t" {
      driver = "mock_driver"
      kill_timeout   = "1m30s"
      shutdown_delay = "500ms"
    }
  }
}
