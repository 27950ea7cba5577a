variable "p" {
  default = 500
}
locals {
  n = "few"
}

job "j" {
  priority = var.p
  group "g" {
    count = local.n
    task "t" {
      driver = "mock_driver"
    }
  }
}
