job "j" {
  dynamic "group" {
    for_each = { web = ["a", "b"], db = ["c"] }
    labels   = [group.key]

    content {
      dynamic "task" {
        for_each = group.value
        labels   = ["${group.key}-${task.value}"]

        content {
          driver = "mock_driver"
        }
      }
    }
  }
}
