job "j" {
  group "g" {
    task "t" {
      driver = "docker"

      config {
        image = "redis:7"

        auth {
          username       = "me"
          password       = "secret"
          email          = "me@example.com"
          server_address = "registry.example.com"
        }

        auth_soft_fail     = true
        force_pull         = true
        image_pull_timeout = "10m"
      }
    }
  }
}
