variable "a" {}
variable "b" {
  type = object({ c = number })
}

job "j" {
  meta {
    a = var.a
    b = var.b.c
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
