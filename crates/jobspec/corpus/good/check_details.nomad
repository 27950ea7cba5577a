job "j" {
  group "g" {
    network {
      port "http" {}
      port "admin" {}
    }

    task "t" {
      driver = "mock_driver"

      service {
        name = "web"
        port = "http"

        check {
          name                     = "posts"
          type                     = "http"
          port                     = "admin"
          method                   = "POST"
          path                     = "/check?deep=1"
          body                     = "{\"deep\": true}"
          interval                 = "10s"
          timeout                  = "2s"
          initial_status           = "passing"
          success_before_passing   = 2
          failures_before_critical = 3

          header {
            Authorization = ["Basic ZWxhc3RpYzpjaGFuZ2VtZQ=="]
            X-Many        = ["a", "b"]
          }
        }
      }
    }
  }
}
