variable "a" {
  type    = string
  default = null
}

job "j" {
  meta {
    a = coalesce(var.a, "nothing given")
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
