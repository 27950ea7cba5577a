variable "name" {
  default = "web"
}

job "j" {
  group "g" {
    task "t" {
      driver = "mock_driver"
      user = <<EOF
      name=${var.name}
      port=${NOMAD_PORT_http}
      home=$${HOME}
      EOF
    }
  }
}
