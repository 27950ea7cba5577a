locals {
  x0 = [1]
  x1 = concat(local.x0, local.x0)
  x2 = concat(local.x1, local.x1)
  x3 = concat(local.x2, local.x2)
  x4 = concat(local.x3, local.x3)
  x5 = concat(local.x4, local.x4)
  x6 = concat(local.x5, local.x5)
  x7 = concat(local.x6, local.x6)
  x8 = concat(local.x7, local.x7)
  x9 = concat(local.x8, local.x8)
  x10 = concat(local.x9, local.x9)
  x11 = concat(local.x10, local.x10)
  x12 = concat(local.x11, local.x11)
  x13 = concat(local.x12, local.x12)
  x14 = concat(local.x13, local.x13)
  x15 = concat(local.x14, local.x14)
  x16 = concat(local.x15, local.x15)
  x17 = concat(local.x16, local.x16)
  x18 = concat(local.x17, local.x17)
  x19 = concat(local.x18, local.x18)
  x20 = concat(local.x19, local.x19)
  x21 = concat(local.x20, local.x20)
  x22 = concat(local.x21, local.x21)
  x23 = concat(local.x22, local.x22)
  x24 = concat(local.x23, local.x23)
  x25 = concat(local.x24, local.x24)
  x26 = concat(local.x25, local.x25)
  x27 = concat(local.x26, local.x26)
  x28 = concat(local.x27, local.x27)
  x29 = concat(local.x28, local.x28)
  x30 = concat(local.x29, local.x29)
  x31 = concat(local.x30, local.x30)
  x32 = concat(local.x31, local.x31)
  x33 = concat(local.x32, local.x32)
  x34 = concat(local.x33, local.x33)
  x35 = concat(local.x34, local.x34)
  x36 = concat(local.x35, local.x35)
  x37 = concat(local.x36, local.x36)
  x38 = concat(local.x37, local.x37)
  x39 = concat(local.x38, local.x38)
  x40 = concat(local.x39, local.x39)
}

job "j" {
  meta {
    a = length(local.x40)
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
