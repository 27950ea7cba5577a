job "j" {
  group "g" {
    task "t" {
      driver = "docker"
      config {
        image = "redis"
        port_map {
          db = 6379
        }
      }
      resources {
        network {
          port "db" {}
        }
      }
    }
  }
}
