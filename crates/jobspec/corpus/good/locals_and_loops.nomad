locals {
  zones   = ["a", "b", "c"]
  by_zone = { for index, zone in local.zones : zone => index if zone != "b" }
  names   = [for zone, index in local.by_zone : "${upper(zone)}-${index + 1}"]
  text    = <<-EOT
    %{ for name in local.names ~}
    server ${name}
    %{ endfor ~}
  EOT
}

job "j" {
  dynamic "group" {
    for_each = local.by_zone
    iterator = zone
    labels   = ["zone-${zone.key}"]

    content {
      count = zone.value + 1

      constraint {
        attribute = "${meta.zone}"
        value     = zone.key
      }

      task "t" {
        driver = "mock_driver"

        env {
          SERVERS = local.text
          ALL     = join(" ", local.names[*])
        }
      }
    }
  }
}
