"""The one rule for text that comes from outside: catalog, partners, models; and how such text is shown."""
