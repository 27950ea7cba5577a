job "j" {
  affinity {
    attribute = "${node.datacenter}"
    value     = "dc1"
    weight    = 100
  }

  group "g" {
    affinity {
      attribute = "${meta.old}"
      operator  = "is_set"
      weight    = -50
    }

    task "t" {
      driver = "mock_driver"
    }
  }
}
