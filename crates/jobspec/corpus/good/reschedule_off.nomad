job "j" {
  group "g" {
    reschedule {
      attempts  = 0
      unlimited = false
    }

    task "t" {
      driver = "mock_driver"
    }
  }
}
