variable "p" {
  default = 10

  validation {
    condition = var.p
  }
  validation {
    condition     = var.p
    error_message = "Not a condition."
  }
  validation {
    condition   = true
    eror_mesage = "Misspelt."
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
