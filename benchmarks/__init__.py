"""Benchmarks: each prints a table and one JSON line. Never run as tests: figures depend on the machine."""
