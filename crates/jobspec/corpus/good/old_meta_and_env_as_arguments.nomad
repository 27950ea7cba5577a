job "j" {
  meta = { a = "b" }
  group "g" {
    meta = { c = 1 }
    task "t" {
      driver = "mock_driver"
      meta = { d = true }
      env = { A = "b" }
    }
  }
}
