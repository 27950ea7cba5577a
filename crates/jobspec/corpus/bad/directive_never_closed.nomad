job "j" {
  meta {
    a = "%{ if true }x"
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
