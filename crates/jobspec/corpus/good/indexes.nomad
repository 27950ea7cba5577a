locals {
  m = { inner = { value = 5 } }
  l = ["first", "last"]
}

job "j" {
  meta {
    list   = ["a", "b"][1]
    map    = { "a b" = 1 }["a b"]
    name   = local.m.inner.value
    old    = local.l.0
    number = local.l[length(local.l) - 1]
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
