locals {
  m = { name = 1 }
}

job "j" {
  meta {
    a = local.m.nmae
    b = local.m["x"]
    c = local.m.name.deep
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
