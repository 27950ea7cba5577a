job "j" {
  group "g" {
    network {
      port "x" { static = 8080 to = 80 }
    }
    task "t" {
      driver = "mock_driver"
    }
  }
}
