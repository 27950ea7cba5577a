job "j" {
  datacenters = ["dc*", "eu-?"]

  spread {
    attribute = "${node.datacenter}"
    weight    = 60

    target "dc1" {
      percent = 70
    }

    target "dc2" {
      percent = 30
    }
  }

  group "g" {
    count = 10

    spread {
      attribute = "${meta.rack}"
    }

    task "t" {
      driver = "mock_driver"
    }
  }
}
