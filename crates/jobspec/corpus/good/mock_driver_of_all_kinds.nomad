job "j" {
  group "g" {
    task "t" {
      driver = "mock_driver"

      config {
        run_for                 = "10s"
        exit_code               = 3
        exit_err_msg            = "no"
        start_block_for         = "1s"
        start_error             = "not now"
        start_error_recoverable = true
        stdout_string           = "hello"
        kill_after              = "2s"
      }
    }
  }
}
