variable "a" {
  type    = strnig
  default = ""
}
variable "b" {
  type = list(string, number)
}
variable "c" {
  type = "map(string)))"
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
