{
  "job": {
    "j": {
      "priorty": 5,
      "group": {
        "g": {
          "count": "many",
          "task": { "t": { "driver": "${upper(5, 6)}" } }
        }
      }
    }
  }
}
