"""People who correct answers: what they say is kept, and readers get it at once."""
