job "j" {
  meta {
    a = jsonencode(merge({ a = 1 }, { b = 2 }))
    b = join(",", sort(distinct(concat(["b"], ["a", "b"]))))
    c = lookup({ a = "x" }, "b", "default")
    d = jsonencode(zipmap(["a", "b"], [1, 2]))
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
