"""Protocols that the pipeline talks through; `aws/` implements them, tests have small fakes.

One contract suite (`manga_enrichment_tests/contracts/`) runs against each fake and its real gateway. Methods are
synchronous and take many items at once where AWS does; the engine calls them from worker threads. Belongs here:
protocols, the plain data they pass, their errors. Stays out: rules (`domain/`), implementations (`aws/`).
"""
