variable "ports" {
  type    = map(number)
  default = { http = 80, admin = 9000 }
}

variable "rule" {
  type = object({ name = string, hosts = list(string), strict = bool })

  default = {
    name   = "r"
    hosts  = ["a", "b"]
    strict = true
  }
}

variable "pair" {
  type    = tuple([string, number])
  default = ["x", 5]
}

variable "names" {
  type    = set(string)
  default = ["b", "a", "b"]
}

variable "anything" {
  type        = any
  default     = null
  description = "may be left out"
}

job "j" {
  group "g" {
    count = var.pair[1]

    dynamic "task" {
      for_each = var.names
      labels   = [task.value]

      content {
        driver = "mock_driver"

        env {
          STRICT = var.rule.strict
          HOSTS  = join(",", var.rule.hosts)
          ADMIN  = var.ports["admin"]
          NONE   = var.anything == null ? "nothing" : "something"
        }
      }
    }
  }
}
