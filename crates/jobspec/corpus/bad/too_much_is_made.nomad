job "j" {
  meta {
    a = jsonencode([for a in range(60000) : [for b in range(60000) : b]])
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
