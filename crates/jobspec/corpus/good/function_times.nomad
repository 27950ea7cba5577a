job "j" {
  meta {
    a = timeadd("2024-02-28T23:00:00Z", "2h")
    b = formatdate("YYYY-MM-DD", "2024-02-28T23:00:00Z")
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
