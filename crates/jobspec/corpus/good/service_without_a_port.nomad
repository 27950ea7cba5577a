job "j" {
  group "g" {
    task "t" {
      driver = "mock_driver"

      service {
        name = "worker"
        tags = ["queue"]

        meta {
          version = "${NOMAD_META_version}"
        }
      }
    }
  }
}
