# A job that is launched with what somebody passes.
#
#   troupe run examples/greet.nomad
#   echo "long time no see" | troupe job dispatch -meta name=Ada greet -
#   troupe status greet
job "greet" {
  type        = "batch"
  datacenters = ["dc1"]

  parameterized {
    payload       = "required"
    meta_required = ["name"]
    meta_optional = ["title"]
  }

  group "greet" {
    task "say" {
      driver = "raw_exec"

      dispatch_payload {
        file = "words.txt"
      }

      config {
        command = "/bin/sh"
        args    = ["-c", "echo Hello, $NOMAD_META_TITLE $NOMAD_META_NAME: $(cat $NOMAD_TASK_DIR/words.txt)"]
      }

      resources {
        cpu    = 20
        memory = 20
      }
    }
  }
}
