variable "a" {
  default = 1
}
variable "a" {
  default = 2
}
variables {
  a = 3
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
