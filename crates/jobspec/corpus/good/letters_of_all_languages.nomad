job "j" {
  meta {
    "größe" = "klein"
    名前     = "値"
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
