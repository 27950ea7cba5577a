locals {
  a = local.b
  b = "${local.c}"
  c = [local.a]
  d = local.a
  e = 5
}

job "j" {
  meta {
    a = local.a
    d = local.d
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
