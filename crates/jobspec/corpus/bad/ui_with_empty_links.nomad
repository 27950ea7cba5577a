job "shop" {
  ui {
    title = "Shop"

    link {
      label = "Runbook"
    }
  }

  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
