{"ID": "j", "Name": "j"}
