job "j" {
  group "g" {
    task "t" {
      driver = "mock_driver"
      env {
        CONF = <<-EOF
          first line
            second ${upper(local.nothing)}
          third ${uper("x")}
        EOF
      }
    }
  }
}
