job "j" {
  meta {
    a = base64encode("secret")
    b = jsondecode("{\"a\": [1, 2]}").a[1]
    c = yamldecode("a: {b: c}").a.b
    d = csvdecode("name,port\nweb,80").0.port
    e = urlencode("a b")
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
