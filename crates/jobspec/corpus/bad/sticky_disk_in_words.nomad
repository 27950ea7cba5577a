job "j" {
  group "g" {
    ephemeral_disk {
      sticky  = "sometimes"
      migrate = 2
    }
    task "t" {
      driver = "mock_driver"
    }
  }
}
