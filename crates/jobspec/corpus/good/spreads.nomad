job "j" {
  spread {
    attribute = "${meta.rack}"
    weight    = 100

    target "r1" {
      percent = 70
    }
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
