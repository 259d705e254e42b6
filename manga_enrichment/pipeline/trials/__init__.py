"""Candidates tried on a sample, through the production engine and ledger, and judged."""
