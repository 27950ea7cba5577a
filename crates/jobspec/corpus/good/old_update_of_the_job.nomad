job "j" {
  update {
    stagger      = "10s"
    max_parallel = 1
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
