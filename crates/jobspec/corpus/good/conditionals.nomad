job "j" {
  meta {
    yes    = true ? "a" : "b"
    nested = false ? 1 : true ? 2 : 3
    unused = true ? "fine" : nothing.here
    lines  = (
      1 > 2
      ? "a"
      : "b"
    )
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
