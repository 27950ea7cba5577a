job "j" {
  meta {
    a = join("," "x")
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
