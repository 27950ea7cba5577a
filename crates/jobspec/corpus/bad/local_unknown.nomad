locals {
  a = 1
}

job "j" {
  meta {
    a = local.b
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
