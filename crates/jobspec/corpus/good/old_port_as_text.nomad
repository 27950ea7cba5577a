job "j" {
  group "g" {
    network {
      port "http" {
        static = "80"
      }
    }
    task "t" {
      driver = "mock_driver"
    }
  }
}
