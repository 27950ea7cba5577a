job "j" {
  meta {
    lines   = "a\nb\tc"
    quotes  = "say \"hi\""
    slash   = "a\\b"
    letter  = "\u00e9 \U0001F600"
    dollar  = "$${not.ours} $5 100%"
    percent = "%%{ if } %d"
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
