job "j" {
  group "g" {
    task "t" {
      driver = "mock_driver"
      resources {
        device "nvidia/gpu" {
          count = 2

          affinity {
            attribute = "${device.model}"
            value     = "A100"
          }
        }
      }
    }
  }
}
