job "j" {
  type = "batch"

  parameterized {
    payload       = "required"
    meta_required = ["who"]
    meta_optional = ["how"]
  }

  group "g" {
    task "t" {
      driver = "mock_driver"

      dispatch_payload {
        file = "order.json"
      }

      env {
        WHO = "${NOMAD_META_who}"
      }
    }
  }
}
