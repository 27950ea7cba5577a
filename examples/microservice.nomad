# A small service of which the port inside the container is fixed and the one outside is chosen.
# Change the tag of the image and run the file again to deploy another version.
job "microservice-01" {
  type        = "service"
  datacenters = ["dc1"]

  group "Microservices" {
    count = "1"

    task "microservice-01" {
      driver = "docker"

      config {
        image = "eridemnet/microservice-example:1.0.0"
        port_map {
          http = 3000
        }
      }

      resources {
        memory = 256
        network {
          mbits = "10"
          port "http" {}
        }
      }

      service {
        name = "microservice-01"
        tags = ["microservice-01", "microservice-example@1.0.0"]
        port = "http"
      }
    }
  }
}
