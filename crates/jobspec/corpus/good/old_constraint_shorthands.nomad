job "j" {
  constraint {
    distinct_hosts = true
  }
  constraint {
    attribute = "${attr.nomad.version}"
    version   = ">= 1.0"
  }
  constraint {
    attribute = "${attr.cpu.arch}"
    regexp    = "amd|arm"
  }
  constraint {
    attribute    = "${meta.tags}"
    set_contains = "a,b"
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
