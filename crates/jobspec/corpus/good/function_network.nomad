job "j" {
  meta {
    a = cidrhost("10.0.0.0/24", 5)
    b = cidrsubnet("10.0.0.0/8", 8, 3)
    c = cidrnetmask("10.0.0.0/12")
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
