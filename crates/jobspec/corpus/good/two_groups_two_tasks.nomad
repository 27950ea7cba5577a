job "j" {
  group "a" {
    task "x" {
      driver = "mock_driver"
      leader = true
    }
    task "y" {
      driver = "mock_driver"
    }
  }
  group "b" {
    count = 0
    task "z" {
      driver = "mock_driver"
    }
  }
}
