{"Job": {"ID": "j", "TaskGroups": []}}
