variable "p" {
  type    = number
  default = "high"
}

job "j" {
  priority = var.p
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
