locals {
  a {
    b = 1
  }
}

job "j" {
  meta {
    a = 1
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
