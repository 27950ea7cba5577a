job "j" {
  meta {
    a = [1, 2][5]
    b = [1]["x"]
    c = [1].name
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
