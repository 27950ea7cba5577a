job "j" {
  dynamic "group" {
    for_each = ["a", "b"]
    iterator = it
    labels   = ["group-${it.value}"]

    content {
      count = it.key + 1

      task "t" {
        driver = "mock_driver"

        env {
          NAME = it.value
          PORT = "${NOMAD_PORT_http}"
        }
      }
    }
  }
}
