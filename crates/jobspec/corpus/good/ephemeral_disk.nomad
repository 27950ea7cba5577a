job "j" {
  group "g" {
    ephemeral_disk {
      size = 500
    }
    task "t" {
      driver = "mock_driver"
    }
  }
}
