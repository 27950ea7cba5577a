job "j" {
  meta {
    owner = "ops"
    level = "job"
  }

  group "g" {
    meta {
      level = "group"
    }

    task "t" {
      driver = "mock_driver"

      meta {
        level     = "task"
        "a.b/c-d" = "kept"
      }
    }
  }
}
