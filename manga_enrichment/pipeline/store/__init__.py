"""What every other room writes with: object keys, Arrow schemas, rows, and writes that others may race."""
