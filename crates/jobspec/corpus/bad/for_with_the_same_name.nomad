job "j" {
  meta {
    a = jsonencode({ for x in [1, 2] : "same" => x })
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
