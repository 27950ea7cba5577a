job "j" {
  group "g" {
    task "t" {
      driver = "mock_driver"
      env {
        "FOO"     = "bar"
        "b-a.z" = "x"
      }
    }
  }
}
