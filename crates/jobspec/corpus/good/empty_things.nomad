job "j" {
  meta {}
  group "g" {
    network {}
    task "t" {
      driver = "mock_driver"
      env {}
      resources {}
    }
  }
}
