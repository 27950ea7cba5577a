variable "classes" {
  type    = set(string)
  default = ["small", "old"]
}

job "j" {
  dynamic "constraint" {
    for_each = var.classes

    content {
      attribute = "${node.class}"
      operator  = "!="
      value     = constraint.value
    }
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
