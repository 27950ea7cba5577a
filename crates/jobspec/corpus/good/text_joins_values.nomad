locals {
  a = "ours"
}

job "j" {
  meta {
    number = "n=${1 + 1}"
    alone  = "${5}"
    text   = "a${"b${"c"}"}d"
    bool   = "${true}!"
    mixed  = "${local.a}-${attr.kernel.name}-${NOMAD_ALLOC_ID}"
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
