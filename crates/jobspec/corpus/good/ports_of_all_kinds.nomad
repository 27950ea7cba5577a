job "j" {
  group "g" {
    network {
      port "fixed" {
        static = 8080
      }
      port "mapped" {
        to = 80
      }
      port "same" {
        to = -1
      }
      port "any" {}
    }
    task "t" {
      driver = "mock_driver"
    }
  }
}
