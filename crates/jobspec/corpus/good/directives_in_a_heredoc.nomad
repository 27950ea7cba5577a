job "j" {
  group "g" {
    task "t" {
      driver = "mock_driver"
      user = <<-EOF
        %{ for name in ["a", "b"] ~}
        server ${name}:${NOMAD_PORT_http}
        %{ endfor ~}
        end
      EOF
    }
  }
}
