job "j" {
  group "g" {
    task "t" {
      driver = "docker"

      config {
        image = "redis:7"

        mount {
          type     = "bind"
          source   = "local/redis.conf"
          target   = "/etc/redis.conf"
          readonly = true

          bind_options {
            propagation = "rprivate"
          }
        }

        mount {
          type   = "tmpfs"
          target = "/tmp"

          tmpfs_options {
            size = 100000
          }
        }

        mounts = [
          {
            type   = "volume"
            source = "data"
            target = "/data"
            volume_options = {
              no_copy = true
              labels  = { team = "a" }
            }
          }
        ]
      }
    }
  }
}
