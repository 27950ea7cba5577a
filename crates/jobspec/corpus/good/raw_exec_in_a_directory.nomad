job "j" {
  type = "batch"

  group "g" {
    task "t" {
      driver = "raw_exec"

      config {
        command  = "local/run.sh"
        args     = ["--fast", "${meta.rack}", "", "a b"]
        work_dir = "/tmp"
      }

      logs {
        max_files     = 3
        max_file_size = 1
      }
    }
  }
}
