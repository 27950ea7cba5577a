# one
// two
/* three
   lines */
job "j" { # four
  group "g" { // five
    task "t" { /* six */ driver = /* seven */ "mock_driver"
    }
  }
}
