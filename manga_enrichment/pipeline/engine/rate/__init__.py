"""How fast one model may be asked: told or learned, shared by lanes, paused while it refuses everything."""
