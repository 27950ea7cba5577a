job "j" {
  meta {
    a = title(lower("HELLO WORLD"))
    b = replace(trimspace("  a b "), " ", "_")
    c = format("%03d-%s", 7, "x")
    d = join("/", reverse(split(".", "www.example.com")))
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
