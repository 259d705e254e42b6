"""The Express workflow that a POST runs: row, message, wait, answer."""
