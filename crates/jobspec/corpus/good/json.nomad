{
  "job": {
    "j": {
      "datacenters": ["dc1"],
      "group": {
        "g": {
          "count": 2,
          "task": {
            "t": {
              "driver": "mock_driver",
              "env": { "A": "1" }
            }
          }
        }
      }
    }
  }
}
