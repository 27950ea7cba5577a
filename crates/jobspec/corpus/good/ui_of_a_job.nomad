job "shop" {
  ui {
    description = <<-EOT
      # The shop
      Orders go **here**.
    EOT

    link {
      label = "Runbook"
      url   = "https://wiki.example.com/shop"
    }

    link {
      label = "Dashboard"
      url   = "https://graphs.example.com/d/shop"
    }
  }

  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
