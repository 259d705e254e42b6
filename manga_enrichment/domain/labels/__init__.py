"""What people say is right about a title: labels, corrections, sheets to fill in."""
