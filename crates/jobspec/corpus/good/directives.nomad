locals {
  on = true
}

job "j" {
  meta {
    if    = "%{ if local.on }on%{ else }off%{ endif }"
    plain = "%{ if false }never%{ endif }always"
    for   = "%{ for x in ["a", "b"] }<${x}>%{ endfor }"
    pairs = "%{ for k, v in { b = 2, a = 1 } }${k}=${v};%{ endfor }"
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
