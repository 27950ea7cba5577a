job "j" {
  group "g" {
    task "t" {
      driver = "mock_driver"

      env {
        A = format("%s-%03d", lower("ABC"), max(1, 7, 3))
        B = jsonencode({ list = sort(["b", "a"]), nested = { n = 1.5, yes = true } })
        C = join(",", [for n in range(3) : n * n])
        E = replace(title("hello world"), "World", "there")
        F = element(split("/", "a/b/c"), 2)
        G = base64encode(trimspace("  x  "))
        H = lookup({ a = "1" }, "b", "none")
        I = cidrsubnet("10.0.0.0/8", 8, 2)
        J = formatdate("YYYY-MM-DD", "2020-02-29T12:00:00Z")
      }
    }
  }
}
