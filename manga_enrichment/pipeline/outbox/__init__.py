"""The outbox: what is to be told is written down first, then sent until it was told."""
