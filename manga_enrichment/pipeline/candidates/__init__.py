"""Candidate lists for `similar_series`: terms of titles, a matrix of all, search in it, lists and their tables."""
