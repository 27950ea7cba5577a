job "j" {
  group "g" {
    task "one" {
      driver = "raw_exec"

      config {
        command            = "/bin/sleep"
        args               = ["60"]
        work_dir           = "/tmp"
        oom_score_adj      = 500
        denied_envvars     = ["AWS_*", "*_TOKEN", "HOME"]
        cgroup_v2_override = "custom.slice/app.scope"
      }
    }

    task "other" {
      driver = "raw_exec"

      config {
        command       = "/bin/sleep"
        oom_score_adj = "0"

        cgroup_v1_override {
          pids   = "custom/app"
          memory = "/sys/fs/cgroup/memory/custom/app"
        }
      }
    }

    task "docker" {
      driver = "docker"

      config {
        image     = "redis"
        isolation = "default"
      }
    }
  }
}
