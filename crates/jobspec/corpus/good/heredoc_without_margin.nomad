job "j" {
  group "g" {
    task "t" {
      driver = "mock_driver"

      env {
        SCRIPT = <<-EOT
          #!/bin/sh
          if true; then
            echo "$HOME"
          fi
        EOT
      }
    }
  }
}
