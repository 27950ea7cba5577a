job "j" {
  group "g" {
    task "a" {
      driver = "docker"
      config {
        image = "x"
        labels {
          a = "b"
        }
      }
    }
    task "b" {
      driver = "docker"
      config {
        image  = "x"
        labels = [{ a = "b" }]
      }
    }
    task "c" {
      driver = "docker"
      config {
        image = "x"
        labels {
          a = "b"
        }
        labels {
          "c.d" = 1
        }
      }
    }
  }
}
