variable "a" {
  defualt = 1
  default = 2
  sensitive = true
  validate {}
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
