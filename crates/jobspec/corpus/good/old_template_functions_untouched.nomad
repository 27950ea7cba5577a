job "j" {
  group "g" {
    task "t" {
      driver = "mock_driver"
      env {
        A = "{{ key \"service/x\" }} {{ env \"HOME\" }}"
      }
    }
  }
}
