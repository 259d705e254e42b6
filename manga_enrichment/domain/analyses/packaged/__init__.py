"""The analyses that come with the package: a document each, and a module beside it for what a document cannot say.

Belongs here: `*.toml`, and `RULES` of the same name. Stays out: reading them (`domain/analyses/registry.py`).
"""
