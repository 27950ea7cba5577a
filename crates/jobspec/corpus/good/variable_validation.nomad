variable "p" {
  default = 60

  validation {
    condition     = var.p > 50 && var.p <= 100
    error_message = "It must be an important job."
  }
}

job "j" {
  priority = var.p
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
