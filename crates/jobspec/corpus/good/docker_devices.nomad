job "j" {
  group "g" {
    task "t" {
      driver = "docker"

      config {
        image = "redis:7"

        devices = [
          {
            host_path          = "/dev/fuse"
            cgroup_permissions = "rw"
          },
          { host_path = "/dev/a", container_path = "/dev/b" }
        ]
      }
    }
  }
}
