job "j" {
  meta {
    a = md5("x")
    b = sha256("x")
    c = uuidv5("dns", "example.com")
    d = strlen(uuidv4())
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
