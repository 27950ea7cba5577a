
server           = true
bootstrap_expect = 1
