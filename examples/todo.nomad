# Two containers that belong together: a database and the web application that uses it. Tasks of one group run on
# one node; the web task finds the database by its name in DNS (172.17.0.1 is the node, seen from a container).
job "todo" {
  datacenters = ["dc1"]

  group "todo" {
    network {
      port "db" {
        static = 5432
        to     = 5432
      }
      port "http" {
        static = 8010
        to     = 80
      }
    }

    task "db" {
      driver = "docker"

      config {
        image = "postgres:11.6-alpine"
        ports = ["db"]
      }

      env {
        POSTGRES_PASSWORD = "change-me"
      }

      resources {
        cpu    = 200
        memory = 256
      }

      service {
        name = "todo-db"
        port = "db"

        check {
          type     = "tcp"
          interval = "10s"
          timeout  = "2s"
        }
      }
    }

    task "web" {
      driver = "docker"

      config {
        image       = "diamol/ch06-todo-list"
        ports       = ["http"]
        dns_servers = ["172.17.0.1"]
      }

      env {
        Database__Provider         = "Postgres"
        ConnectionStrings__ToDoDb = "Server=todo-db.service.consul;Database=todo;User Id=postgres;Password=change-me;"
      }

      resources {
        cpu    = 200
        memory = 256
      }

      service {
        name = "todo-web"
        port = "http"
        tags = ["urlprefix-/todo"]
      }
    }
  }
}
