job "j" {
  constraint {
    attribute = "${attr.kernel.name}"
    value     = "linux"
  }
  constraint {
    attribute = attr.cpu.arch
    operator  = "!="
    value     = "${meta.wanted}"
  }
  constraint {
    attribute = "${node.unique.name}"
    operator  = "!="
    value     = "${meta["not-here"]}"
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
      env {
        ADDR = "${NOMAD_ADDR_http}"
        BARE = NOMAD_TASK_DIR
        HOST = "${env["HOSTNAME"]}"
        BOTH = "${NOMAD_IP_http}:${NOMAD_PORT_http}"
        SHELL = "${HOME:-/root} ${#list[@]} ${name%%.*}"
      }
    }
  }
}
