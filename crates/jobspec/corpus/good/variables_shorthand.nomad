variables {
  dcs      = ["dc1", "dc2"]
  priority = 70
}

job "j" {
  datacenters = var.dcs
  priority = var.priority
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
