job "shop" {
  type = "system"

  group "front" {
    update {
      max_parallel = 0
      canary       = 1
    }

    task "web" {
      driver = "raw_exec"
      config {
        command = "/bin/true"
      }
    }
  }

  group "back" {
    update {
      canary = 101
    }

    task "web" {
      driver = "raw_exec"
      config {
        command = "/bin/true"
      }
    }
  }

  group "side" {
    update {
      auto_promote = true
      health_check = "by hand"
    }

    task "web" {
      driver = "raw_exec"
      config {
        command = "/bin/true"
      }
    }
  }
}
