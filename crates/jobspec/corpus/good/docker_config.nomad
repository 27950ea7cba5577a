job "j" {
  group "g" {
    task "t" {
      driver = "docker"

      config {
        image   = "redis:7"
        command = "redis-server"
        args    = ["--port", "${NOMAD_PORT_db}"]
        volumes = ["local:/data"]
        labels  = { team = "a" }
      }
    }
  }
}
