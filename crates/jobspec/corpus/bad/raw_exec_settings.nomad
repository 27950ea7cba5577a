job "j" {
  group "g" {
    task "raw" {
      driver = "raw_exec"

      config {
        command            = "/bin/sleep"
        oom_score_adj      = -500
        denied_envvars     = "AWS_*"
        cgroup_v1_override = "custom/app"
        cgroup_v2_override = ["custom.slice"]
      }
    }

    task "docker" {
      driver = "docker"

      config {
        image     = "redis"
        isolation = "hyperv"
      }
    }
  }
}
