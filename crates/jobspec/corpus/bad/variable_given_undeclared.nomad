variable "count" {
  default = 1
}

job "j" {
  meta {
    a = var.count
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
