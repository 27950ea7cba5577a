job "j" {
  meta {
    a = "%{Host}i"
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
