"""Deleting what is kept of a partner, a user or a request, and saying what stays."""
