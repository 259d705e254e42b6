"""Dead letters: looked at without loss, and sent back where a person chose so."""
