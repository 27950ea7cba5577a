variable "a" {}
variable "b" {
  type = list(number)
}
variable "c" {
  default = "stays"
}

job "j" {
  meta {
    a = var.a
    b = join("-", var.b)
    c = var.c
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
