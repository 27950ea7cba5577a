{
  "//": "comments are allowed",
  "variable": {
    "count": { "type": "number", "default": 3 },
    "names": { "type": "list(string)", "default": ["a", "b"] }
  },
  "locals": { "image": "mock-${join(\"-\", var.names)}" },
  "job": {
    "j": {
      "//": "here, too",
      "meta": { "image": "${local.image}", "at": "${NOMAD_ALLOC_ID}" },
      "group": { "g": { "count": "${var.count}", "task": { "t": { "driver": "mock_driver" } } } }
    }
  }
}
