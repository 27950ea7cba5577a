job "j" {
  all_at_once = true
  type = "batch"
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
