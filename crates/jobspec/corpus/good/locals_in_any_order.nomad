locals {
  a = "${local.b}-a"
  b = upper(var.x)
}

locals {
  c = length(local.a)
}

variable "x" {
  default = "x"
}

job "j" {
  meta {
    a = local.a
    c = local.c
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
