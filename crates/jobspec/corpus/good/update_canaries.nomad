# Canaries that promote themselves, a way back, tags of their own; the second group is promoted by people.
job "shop" {
  update {
    max_parallel = 2
    auto_revert  = true
    canary       = 1
    auto_promote = true
  }

  group "front" {
    count = 4

    network {
      port "http" {}
    }

    service {
      name        = "shop"
      port        = "http"
      tags        = ["live"]
      canary_tags = ["canary", "${NOMAD_ALLOC_INDEX}"]

      meta {
        stage = "live"
      }

      canary_meta {
        stage = "canary"
      }
    }

    task "web" {
      driver = "docker"

      config {
        image = "shop:2"
        ports = ["http"]
      }
    }
  }

  group "queue" {
    update {
      auto_promote = false
      health_check = "manual"
      canary       = 3
    }

    task "worker" {
      driver = "docker"

      config {
        image = "worker:2"
      }
    }
  }
}
