job "j" {
  priority = var.nothing
  datacenter = ["dc1"]
  group "g" {
    count = upper(5, 6)
    task "t" {
      driver = "mock_driver"
      user = nobody
    }
  }
}
