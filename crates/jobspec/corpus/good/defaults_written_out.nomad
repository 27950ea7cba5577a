job "j" {
  region = "global"
  type = "service"
  priority = 50
  node_pool = "default"
  all_at_once = false
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
