"""Some titles that a person named."""
