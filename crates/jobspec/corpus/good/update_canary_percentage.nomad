job "agents" {
  type = "system"

  group "node" {
    update {
      canary = 15
    }

    task "agent" {
      driver = "docker"

      config {
        image = "agent:3"
      }
    }
  }
}
