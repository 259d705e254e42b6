"""A partner's request: from a queue message to its settled answer."""
