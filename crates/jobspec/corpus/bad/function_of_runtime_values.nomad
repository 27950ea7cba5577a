job "j" {
  meta {
    a = upper(attr.kernel.name)
    b = "${NOMAD_PORT_http + 1}"
    c = attr.cpu.numcores > 4 ? 1 : var.x
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
