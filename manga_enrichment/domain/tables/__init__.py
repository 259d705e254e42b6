"""Columns of published tables, without a table library."""
