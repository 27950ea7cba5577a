job "train" {
  node_pool = "gpu cards"

  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
