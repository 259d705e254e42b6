"""What a model is asked: the text, its identity, its tokens, the candidates and turns in it."""
