job "j" {
  meta {
    a = 1 + "x"
    b = !5
    c = -"x"
    d = 1 < "a"
    e = [] && true
    f = 1 / 0
    g = 5 % 0
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
