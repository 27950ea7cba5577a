job "j" {
  task "web" {
    driver = "mock_driver"
  }
}
