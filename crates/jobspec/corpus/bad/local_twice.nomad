locals {
  a = 1
}
locals {
  a = 2
}

job "j" {
  meta {
    a = local.a
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
