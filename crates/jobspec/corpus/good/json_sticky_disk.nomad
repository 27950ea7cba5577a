{
  "job": {
    "j": {
      "group": {
        "g": {
          "ephemeral_disk": { "sticky": true, "migrate": true, "size": 500 },
          "task": { "t": { "driver": "mock_driver" } }
        }
      }
    }
  }
}
