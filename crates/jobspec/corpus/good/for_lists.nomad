job "j" {
  meta {
    upper   = join(",", [for name in ["a", "b"] : upper(name)])
    numbers = join(",", [for at, name in ["a", "b"] : "${at}=${name}"])
    odd     = join(",", [for n in range(6) : n if n % 2 == 1])
    map     = join(",", [for key, value in { b = 2, a = 1 } : "${key}${value}"])
    nested  = join(",", flatten([for x in [1, 2] : [for y in [10, 20] : x * y]]))
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
