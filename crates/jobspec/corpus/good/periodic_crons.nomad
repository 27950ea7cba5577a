job "j" {
  type = "sysbatch"

  periodic {
    crons   = ["@daily", "0 30 8 * * MON-FRI *"]
    enabled = false
  }

  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
