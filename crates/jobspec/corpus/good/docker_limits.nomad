job "j" {
  group "g" {
    task "t" {
      driver = "docker"

      config {
        image = "redis:7"

        memory_hard_limit = 512
        cpu_hard_limit    = true
        cpu_cfs_period    = 50000
        pids_limit        = 100
        shm_size          = 67108864
        oom_score_adj     = -100
        storage_opt       = { size = "10G" }

        ulimit {
          nofile = "2048:4096"
          nproc  = "100"
        }

        sysctl = {
          "net.core.somaxconn" = "16384"
        }
      }
    }
  }
}
