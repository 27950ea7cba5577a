job "j" {
  type = "batch"

  parameterized {
    payload = "forbidden"
  }

  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
