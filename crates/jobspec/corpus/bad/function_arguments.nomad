job "j" {
  meta {
    a = upper()
    b = upper("a", "b")
    c = join(",", "x")
    d = max("a")
    e = max("x"...)
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
