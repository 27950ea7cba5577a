job "j" {
  meta {
    before = "a   ${~ 1 }b"
    after  = "a${1 ~}   b"
    both   = "a %{~ if true ~} x %{~ endif ~} b"
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
