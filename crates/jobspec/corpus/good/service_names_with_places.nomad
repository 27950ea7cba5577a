job "j" {
  group "g" {
    service {
      name = "${JOB}-${TASKGROUP}"
    }

    task "t" {
      driver = "mock_driver"

      service {
        name = "${BASE}-main"
      }

      service {
        name = "${TASK}-admin"
      }
    }
  }
}
