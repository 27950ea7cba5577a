job "j" {
  meta {
    list = join(
      ",",
      [
        "a", # a comment
        "b",
      ],
    )
    sum = 1 +
      2
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
