variable "name" {
  default = "x"
}

job "j" {
  meta {
    a = var.nme
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
