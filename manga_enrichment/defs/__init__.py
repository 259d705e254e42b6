"""Dagster definitions: the only place, with `definitions.py`, that imports dagster."""
