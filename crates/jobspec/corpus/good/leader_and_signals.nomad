job "j" {
  group "g" {
    shutdown_delay = "5s"

    task "t" {
      driver = "mock_driver"

      leader         = true
      user           = "nobody"
      kill_timeout   = "20s"
      kill_signal    = "SIGTERM"
      shutdown_delay = "3s"
    }
  }
}
