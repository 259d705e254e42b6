"""A stand-in for Amazon ECS on loopback whose tasks are processes."""
