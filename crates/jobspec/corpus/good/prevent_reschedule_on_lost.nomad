job "j" {
  group "stays" {
    prevent_reschedule_on_lost = true
    task "t" {
      driver = "mock_driver"
    }
  }

  group "waits" {
    max_client_disconnect      = "1h"
    prevent_reschedule_on_lost = true
    task "t" {
      driver = "mock_driver"
    }
  }

  group "goes" {
    prevent_reschedule_on_lost = false
    task "t" {
      driver = "mock_driver"
    }
  }
}
