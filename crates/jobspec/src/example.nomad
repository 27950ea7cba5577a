# A job is what you want to run, and how. Change what you like, then:
#
#   troupe job plan example.nomad     shows what would happen
#   troupe job run example.nomad      makes it happen
#   troupe job status example         shows how it goes
#
# Everything that is not required says so, and what its default is.
job "example" {
  # Where the job may run. Default: every datacenter.
  datacenters = ["dc1"]

  # "service" runs until you stop it, "batch" until it is done. Default: "service".
  type = "service"

  # Nodes have to meet every constraint. None by default.
  # constraint {
  #   attribute = "${attr.kernel.name}"
  #   value     = "linux"
  # }

  # How a new version replaces the old one: one instance after the other, each healthy for ten seconds before the
  # next one is touched. These are the defaults.
  update {
    max_parallel      = 1
    min_healthy_time  = "10s"
    healthy_deadline  = "5m"
    progress_deadline = "10m"
  }

  # Tasks of a group run on one node and are moved together. The count says how many such groups run.
  group "cache" {
    count = 1

    # What happens on the node when a task fails: at most two restarts within half an hour, fifteen seconds apart;
    # then another node is tried. These are the defaults.
    restart {
      attempts = 2
      interval = "30m"
      delay    = "15s"
      mode     = "fail"
    }

    # The directory that the tasks of the group share, in MB. Default: 300.
    ephemeral_disk {
      size = 300
    }

    task "redis" {
      # Required. "docker" runs an image, "raw_exec" a command of the node.
      driver = "docker"

      # What the driver needs to know. The keys differ from driver to driver.
      config {
        image = "redis:3.2"

        # Inside the container redis listens on 6379; outside on the port labelled "db" below.
        port_map {
          db = 6379
        }
      }

      # The share of the node that is kept free for the task.
      resources {
        cpu    = 500 # MHz
        memory = 256 # MB

        network {
          mbits = 10
          port "db" {} # A free port is chosen; `static = 6379` would ask for that one.
        }
      }

      # The name under which others find the task: `dig SRV redis-cache.service.consul`
      service {
        name = "redis-cache"
        tags = ["global", "cache"]
        port = "db"

        # An instance counts as healthy while all of its checks pass.
        check {
          name     = "alive"
          type     = "tcp"
          interval = "10s"
          timeout  = "2s"
        }
      }
    }
  }
}
