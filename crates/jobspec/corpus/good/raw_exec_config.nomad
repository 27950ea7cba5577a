job "j" {
  group "g" {
    task "t" {
      driver = "raw_exec"

      config {
        command = "/bin/sh"
        args    = ["-c", "echo $HOME; sleep 5"]
      }
    }
  }
}
