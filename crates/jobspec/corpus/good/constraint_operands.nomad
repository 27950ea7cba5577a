job "j" {
  constraint {
    attribute = "${attr.kernel.name}"
    value     = "linux"
  }

  constraint {
    attribute = "${attr.cpu.numcores}"
    operator  = ">="
    value     = "2"
  }

  constraint {
    attribute = "${attr.nomad.version}"
    operator  = "semver"
    value     = ">= 0.1.0, < 99"
  }

  constraint {
    attribute = "${node.class}"
    operator  = "regexp"
    value     = "[a-z]+-large"
  }

  constraint {
    attribute = "${meta.features}"
    operator  = "set_contains_any"
    value     = "ssd,nvme"
  }

  constraint {
    attribute = "${attr.driver.docker}"
    operator  = "is_set"
  }

  constraint {
    attribute = "${meta.retired}"
    operator  = "is_not_set"
  }

  constraint {
    operator = "distinct_hosts"
    value    = "true"
  }

  constraint {
    operator  = "distinct_property"
    attribute = "${meta.rack}"
    value     = "2"
  }

  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
