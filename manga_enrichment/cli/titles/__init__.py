"""Commands about single titles."""
