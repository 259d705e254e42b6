"""What people had asked again."""
