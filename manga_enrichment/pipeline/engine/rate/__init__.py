"""How fast one model may be asked: told or learned, paused while it refuses everything."""
