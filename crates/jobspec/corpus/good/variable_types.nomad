variable "text" {
  type        = string
  description = "Numbers become text."
  default     = 5
}
variable "number" {
  type    = number
  default = "8080"
}
variable "bool" {
  type    = bool
  default = "true"
}
variable "list" {
  type    = list(string)
  default = ["b", 1, true]
}
variable "set" {
  type    = set(string)
  default = ["b", "a", "b"]
}
variable "map" {
  type    = map(number)
  default = { a = "1", b = 2 }
}
variable "object" {
  type = object({
    name = string
    port = optional(number, 80)
  })
  default = { name = "web" }
}
variable "tuple" {
  type    = tuple([string, number])
  default = ["a", "2"]
}
variable "any" {
  type    = any
  default = "whatever"
}
variable "untyped" {
  default = 3.5
}

job "j" {
  meta {
    text    = var.text
    number  = var.number
    bool    = var.bool
    list    = join(",", var.list)
    set     = join(",", var.set)
    map     = "${var.map.a}-${var.map["b"]}"
    object  = "${var.object.name}:${var.object.port}"
    tuple   = "${var.tuple[0]} ${var.tuple[1]}"
    any     = var.any
    untyped = var.untyped
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
