locals {
  a = 1
}
variables {
  b = 2
}

job "j" {
  meta {
    a = local["a"]
    b = var["b"]
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
