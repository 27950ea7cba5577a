job "j" {
  group "g" {
    network {
      port "https" {}
      port "grpc" {}
    }

    service {
      name      = "web"
      port      = "https"
      address   = "${meta.public}"
      on_update = "ignore_warnings"

      check {
        type                    = "http"
        protocol                = "https"
        path                    = "/health"
        tls_server_name         = "web.example.com"
        interval                = "10s"
        timeout                 = "2s"
        failures_before_warning = 1
        notes                   = "the certificate is the balancer's"
      }

      check {
        name            = "any"
        type            = "http"
        protocol        = "https"
        path            = "/"
        tls_skip_verify = true
        interval        = "10s"
        timeout         = "2s"
        on_update       = "ignore"
      }

      check {
        name         = "rpc"
        type         = "grpc"
        port         = "grpc"
        grpc_service = "shop.Cart"
        grpc_use_tls = true
        interval     = "10s"
        timeout      = "2s"
      }
    }

    task "t" {
      driver = "mock_driver"

      artifact {
        source = "https://example.com/app.tar.gz"

        options {
          checksum = "file:https://example.com/SHA256SUMS"
        }
      }
    }
  }
}
