{
  "locals": { "names": ["a", "b"], "path": "C:\\temp" },
  "job": {
    "j": {
      "meta": {
        "joined": "x-${join(\"-\", local.names)}\n",
        "chosen": "%{ if length(local.names) == 2 }two \"names\"%{ endif }",
        "path": "${local.path}\\x"
      },
      "group": { "g": { "task": { "t": { "driver": "mock_driver" } } } }
    }
  }
}
