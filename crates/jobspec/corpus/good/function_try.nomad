locals {
  m = { a = 1 }
}

job "j" {
  meta {
    a = try(local.m.missing, "other")
    b = can(local.m.a)
    c = can(local.m.b)
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
