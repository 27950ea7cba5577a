variable "a" {
  default = local.b
}
locals {
  b = 1
}

job "j" {
  meta {
    a = var.a
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
