job "j" {
  meta {
    a = uppercase("x")
    b = uper("x")
    c = env("HOME")
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
