"""A title of the catalog: from a raw row to a clean record."""
