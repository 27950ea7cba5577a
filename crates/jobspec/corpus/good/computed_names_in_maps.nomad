locals {
  key = "one"
}

job "j" {
  meta = {
    (local.key)        = "a"
    "${local.key}-two" = "b"
    three              = "c"
    "fo ur"            = "d"
    5                  = "e"
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
