"""Commands about partners and their requests."""
