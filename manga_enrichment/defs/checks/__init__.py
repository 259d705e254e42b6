"""Asset checks: each states what holds."""
