{"job": {"j": {"dynamic": {"group": {"for_each": ["a", "b"], "iterator": "it", "labels": ["${it.value}"], "content": {"task": {"t": {"driver": "mock_driver"}}}}}}}}
