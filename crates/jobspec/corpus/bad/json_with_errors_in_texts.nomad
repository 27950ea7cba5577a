{
  "job": {
    "j": {
      "meta": {
        "a": "${upper(\"a\", \"b\")}",
        "b": "${join(\"-\" [])}",
        "c": "%{ if true }\"x\""
      },
      "group": { "g": { "task": { "t": { "driver": "mock_driver" } } } }
    }
  }
}
