job "j" {
  group "g" {
    task "t" {
      driver = "mock_driver"
      env {
        A = <<EOF
      plain
        text
      EOF
        B = <<-EOF
          dented
            more

          end
        EOF
      }
    }
  }
}
