job "j" {
  type = "system"

  group "g" {
    network {
      port "dns" {
        static           = 53
        ignore_collision = true
      }

      port "http" {
        ignore_collision = false
      }
    }

    task "t" {
      driver = "mock_driver"
    }
  }
}
