locals {
  a = local.a + 1
}

job "j" {
  meta {
    a = local.a
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
