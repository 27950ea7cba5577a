job "j" {
  meta {
    a = file("x")
    b = fileexists("x")
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
