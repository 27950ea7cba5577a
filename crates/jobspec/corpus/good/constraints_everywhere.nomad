job "j" {
  constraint {
    attribute = "${attr.a}"
    operator  = ">"
    value     = 5
  }
  group "g" {
    constraint {
      attribute = "${meta.b}"
      operator  = "is_set"
    }
    task "t" {
      driver = "mock_driver"
      constraint {
        attribute = "${meta.c}"
        operator  = "set_contains_any"
        value     = "x,y"
      }
    }
  }
}
