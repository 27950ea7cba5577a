job "j" {
  region      = "global"
  namespace   = "default"
  id          = "the-id"
  name        = "the name"
  type        = "service"
  priority    = 1
  datacenters = ["dc1", "dc2"]
  node_pool   = "gpu"
  all_at_once = true

  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
