job "j" {
  group "g" {
    task "t" {
      driver = "docker"

      config {
        image = "redis:7"

        volume_driver = "nfs"
        volumes = [
          "shared:/shared",
          "local/conf:/conf:ro",
          "/etc/ssl/certs:/etc/ssl/certs:ro",
        ]
      }
    }
  }
}
