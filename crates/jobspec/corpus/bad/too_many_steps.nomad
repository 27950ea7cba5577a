job "j" {
  meta {
    a = length([for a in range(3000) : [for b in range(3000) : [for c in range(3000) : 1 if false] if false] if false])
    b = jsonencode([for a in range(60000) : [for b in range(60000) : b]])
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
