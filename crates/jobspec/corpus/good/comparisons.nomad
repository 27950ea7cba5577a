job "j" {
  meta {
    less     = 1 < 2
    equal    = "a" == "a"
    kinds    = "1" == 1
    lists    = [1, [2]] == [1, [2]]
    maps     = { a = 1 } != { a = 2 }
    both     = true && !false
    either   = false || 2 >= 2
    lazy     = false && 1 / 0 > 0
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
