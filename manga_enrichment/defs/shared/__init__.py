"""What definitions of several lanes use: partitions, policies, resources, tags, metadata."""
