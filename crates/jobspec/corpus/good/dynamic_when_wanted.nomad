variable "named" {
  default = true
}

job "j" {
  group "g" {
    task "t" {
      driver = "mock_driver"
      dynamic "service" {
        for_each = var.named ? [1] : []

        content {
          name = "web"
        }
      }
    }
  }
}
