"""How a request ends: what became of its items, its document, its status, word to its partner, its message."""
