job "j" {
  meta {
    a = "x%{ endif }"
    b = "%{ for x in [1] }%{ endif }"
    c = "%{ else }"
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
