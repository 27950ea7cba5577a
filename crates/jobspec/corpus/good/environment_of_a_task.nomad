job "j" {
  group "g" {
    task "t" {
      driver = "mock_driver"

      env {
        PLAIN    = "a b"
        NUMBER   = 5
        SWITCH   = true
        ADDRESS  = "${NOMAD_ADDR_http}"
        NODE     = "${node.unique.name}/${attr.cpu.arch}"
        MONEY    = "$${not_ours} $5"
        UMLAUTS  = "ÄÖÜ 日本"
        TWO_LINES = <<EOT
one
  two
EOT
      }
    }
  }
}
