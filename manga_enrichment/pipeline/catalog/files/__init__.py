"""Readers of catalog files, one module for each kind."""
