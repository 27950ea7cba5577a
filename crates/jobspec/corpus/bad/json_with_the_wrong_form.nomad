{"job": {"j": {"group": "g", "task": {"t": 5}}}}
