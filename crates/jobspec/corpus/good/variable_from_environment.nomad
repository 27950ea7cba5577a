variable "from_env" {}

job "j" {
  meta {
    a = var.from_env
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
