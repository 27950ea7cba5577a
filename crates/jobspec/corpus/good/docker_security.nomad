job "j" {
  group "g" {
    task "t" {
      driver = "docker"

      config {
        image = "redis:7"

        privileged      = true
        cap_add         = ["net_raw"]
        cap_drop        = ["mknod"]
        readonly_rootfs = true
        security_opt    = ["seccomp=unconfined"]
        group_add       = ["audio"]
        userns_mode     = "host"
        pid_mode        = "host"
        ipc_mode        = "none"
        uts_mode        = "host"
        cgroupns        = "private"
      }
    }
  }
}
