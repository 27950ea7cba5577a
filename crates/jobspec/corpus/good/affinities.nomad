job "j" {
  affinity {
    attribute = "${node.datacenter}"
    value     = "dc1"
    weight    = -50
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
