{
  "job": {
    "j": {
      "group": {
        "g": {
          "network": [{ "port": { "http": {} } }],
          "service": [
            {
              "name": "edge",
              "port": "http",
              "enable_tag_override": true,
              "address_mode": "auto",
              "tagged_addresses": { "wan": "edge.example" },
              "weights": { "passing": 10, "warning": 2 }
            }
          ],
          "task": { "t": { "driver": "mock_driver" } }
        }
      }
    }
  }
}
