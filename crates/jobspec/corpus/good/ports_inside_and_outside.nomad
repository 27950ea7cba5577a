job "j" {
  group "g" {
    network {
      mode = "host"

      port "same" {
        to = -1
      }

      port "fixed" {
        static = 8080
        to     = 80
      }

      port "free" {
        to = 9090
      }
    }

    task "t" {
      driver = "mock_driver"
    }
  }
}
