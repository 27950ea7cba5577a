locals {
  numbers = range(60000)
  pairs   = [for a in local.numbers : a if length([for b in local.numbers : b if b < 0]) > 0]
}

job "j" {
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
