"""Models: what they are called, take and cost, and what earlier calls taught."""
