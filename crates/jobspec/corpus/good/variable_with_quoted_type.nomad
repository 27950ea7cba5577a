variable "p" {
  type    = "number"
  default = 60
}

job "j" {
  priority = var.p
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
