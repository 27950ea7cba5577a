variable "a" {}

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
