job "j" {
  reschedule {
    attempts  = 1
    interval  = "1h"
    unlimited = false
  }
  migrate {
    max_parallel = 2
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
