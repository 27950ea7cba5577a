# Files fetched before the task starts.
job "artifacts" {
  group "web" {
    task "app" {
      driver = "mock_driver"
      user   = "app"

      artifact {
        source = "http://files.internal/app-${attr.cpu.arch}.tar.gz"
        options {
          checksum = "md5:c0fb7e0f4d4ab0d1f6c0d4e2f8a9b1c3"
        }
      }

      artifact {
        source      = "git::https://example.com/conf.git//prod"
        destination = "local/conf"
        mode        = "dir"
        chown       = true
        options = {
          ref   = "v1.2"
          depth = 1
        }
      }

      artifact {
        source = "http://files.internal/tool?version=3"
        mode   = "file"
        headers {
          X-Token = "${NOMAD_META_token}"
        }
        options {
          archive = "false"
        }
      }
    }
  }
}
