job "j" {
  group "g" {
    task "t" {
      driver = "mock_driver"
      resources { cpu=500 memory=256 network { mbits=10 port "db" {} port "x" { static=80 } } }
    }
  }
}
