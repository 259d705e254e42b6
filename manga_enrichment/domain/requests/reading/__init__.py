"""From what a queue or a partner sends to a request: bytes, JSON, shape, characters, one spelling."""
