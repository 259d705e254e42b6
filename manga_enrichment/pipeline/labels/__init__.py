"""What people say is right, kept."""
