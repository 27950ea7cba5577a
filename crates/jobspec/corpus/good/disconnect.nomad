job "j" {
  group "g" {
    disconnect {
      lost_after = "1h"
      replace    = false
    }
    task "t" {
      driver = "mock_driver"
    }
  }
}
