"""What changed in tables that are replaced whole, and which titles left the catalog."""
