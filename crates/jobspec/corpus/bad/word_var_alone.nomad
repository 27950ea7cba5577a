job "j" {
  meta {
    a = var
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
