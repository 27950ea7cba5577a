{"job": [{"j": [{"group": [{"a": {"task": {"t": {"driver": "mock_driver"}}}}, {"b": {"task": [{"x": {"driver": "mock_driver"}}, {"y": {"driver": "mock_driver"}}]}}]}]}]}
