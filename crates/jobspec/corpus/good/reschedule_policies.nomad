job "j" {
  group "g" {
    reschedule {
      delay          = "10s"
      delay_function = "fibonacci"
      max_delay      = "10m"
      unlimited      = true
    }
    task "t" {
      driver = "mock_driver"
    }
  }
}
