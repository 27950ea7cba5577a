variable "environment" {
  default = "prod"
}

job "j" {
  group "g" {
    count = var.environment == "prod" ? 3 : 1
    task "t" {
      driver = "mock_driver"
    }
  }
}
