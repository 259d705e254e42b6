"""The engine: calls paid for once, within a budget, at the rate that a model accepts."""
