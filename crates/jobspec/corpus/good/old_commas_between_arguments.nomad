job "j" { datacenters = ["dc1",], type = "batch", group "g" { task "t" { driver = "mock_driver" } } }
