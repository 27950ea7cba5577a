job "j" {
  group "g" {
    task "t" {
      driver = "mock_driver"
      logs {
        max_files     = 10
        max_file_size = 15
      }
    }
  }
}
