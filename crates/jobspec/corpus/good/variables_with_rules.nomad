variable "count" {
  type    = number
  default = 3

  validation {
    condition     = var.count > 0 && var.count < 10
    error_message = "The count is a digit."
  }
}

variables {
  image = "redis:7"
  cpu   = 250
}

job "j" {
  group "g" {
    count = var.count

    task "t" {
      driver = "docker"

      config {
        image = var.image
      }

      resources {
        cpu = var.cpu
      }
    }
  }
}
