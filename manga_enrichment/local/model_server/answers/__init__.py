"""What the stand-in answers: skills by lexicon, and values that fit a schema it does not know."""
