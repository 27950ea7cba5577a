job "artifacts" {
  group "web" {
    task "app" {
      driver = "mock_driver"

      artifact {
        source = "gcs::https://example.com/app.tar.gz"
      }

      artifact {
        source      = "http://example.com/app.tar.gz"
        destination = "../../../etc"
        chown       = true
        options {
          checksum = "sha256:abc"
        }
      }

      artifact {
        source = "s3::https://s3.amazonaws.com/bucket/key"
      }

      artifact {
        source = "/etc/passwd"
        mode   = "files"
      }

      artifact {
        destination = "local"
        colour      = "blue"
      }
    }
  }
}
