job "j" {
  group "g" {
    prevent_reschedule_on_lost = true
    disconnect {
      replace = false
    }
    task "t" {
      driver = "mock_driver"
    }
  }
}
