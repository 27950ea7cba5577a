variable "a" {
  type = list(number)
}
variable "b" {
  type = bool
}
variable "c" {
  type = object({ x = string })
}

job "j" {
  meta {
    a = var.a[0]
    b = var.b
    c = var.c.x
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
