job "j" {
  meta {
    a = max(1, 2) + min(3, 4)
    b = ceil(1.5) * floor(2.5)
    c = pow(2, 8)
    d = parseint("1f", 16)
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
