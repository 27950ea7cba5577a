# Files made when the task starts.
job "templates" {
  group "web" {
    task "nginx" {
      driver = "mock_driver"

      template {
        data        = <<EOH
upstream app {
{{- range service "app" }}
  server {{ .Address }}:{{ .Port }};
{{- else }}
  server 127.0.0.1:65535; # nobody is there
{{- end }}
}
EOH
        destination   = "local/load-balancer.conf"
        change_mode   = "signal"
        change_signal = "sighup"
        vault_grace   = "15s"
      }

      template {
        data        = "LEVEL={{ env \"NOMAD_META_level\" | toUpper }}\n"
        destination = "secrets/file.env"
        env         = true
        perms       = "600"
        once        = true
      }

      template {
        source               = "local/app.tpl"
        destination          = "${NOMAD_ALLOC_DIR}/data/app.conf"
        left_delimiter       = "[["
        right_delimiter      = "]]"
        change_mode          = "script"
        splay                = "1m"
        uid                  = 1000
        gid                  = -1
        error_on_missing_key = true
        change_script {
          command             = "/bin/reload"
          args                = ["-q"]
          timeout             = "20s"
          fail_on_error       = true
          run_on_first_render = true
        }
        wait {
          min = "2s"
          max = "10s"
        }
      }
    }
  }
}
