"""Whose fault a refusal is."""
