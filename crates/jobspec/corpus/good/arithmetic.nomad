job "j" {
  meta {
    sum        = 1 + 2 * 3
    grouped    = (1 + 2) * 3
    minus      = -(4 - 6)
    divided    = 7 / 2
    whole      = 8 / 2
    remainder  = 7 % 4
    texts      = "4" * "2"
    large      = 9007199254740993 + 0
    fraction   = 0.5 + 0.25
    exponent   = 1.5e3
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
