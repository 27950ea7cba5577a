job "j" {
  group "stays" {
    ephemeral_disk {
      sticky = true
    }
    task "t" {
      driver = "mock_driver"
    }
  }

  group "moves" {
    ephemeral_disk {
      size    = 500
      migrate = true
    }
    task "t" {
      driver = "mock_driver"
    }
  }
}
