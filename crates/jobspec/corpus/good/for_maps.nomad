job "j" {
  meta {
    swapped = jsonencode({ for key, value in { a = "x", b = "y" } : value => key })
    grouped = jsonencode({ for name in ["anna", "bert", "abel"] : substr(name, 0, 1) => name... })
    some    = jsonencode({ for key, value in { a = 1, b = 2 } : key => value if value > 1 })
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
