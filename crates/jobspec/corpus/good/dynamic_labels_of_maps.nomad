job "j" {
  dynamic "spread" {
    for_each = [{ attribute = "${meta.rack}", weight = 30 }]
    iterator = s

    content {
      attribute = s.value.attribute
      weight    = s.value["weight"]

      dynamic "target" {
        for_each = ["r1", "r2"]
        labels   = [target.value]

        content {
          percent = 50 - target.key * 10
        }
      }
    }
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
