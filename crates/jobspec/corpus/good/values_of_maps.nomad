locals {
  common = { ZONE = "eu", NAME = "none" }
}

job "j" {
  group "g" {
    task "t" {
      driver = "mock_driver"
      env = merge(local.common, { NAME = "web", UPPER = upper("x") })
      meta = { for key in ["a", "b"] : key => "${key}-value" }
    }
  }
}
