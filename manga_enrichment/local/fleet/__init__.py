"""A fleet on this machine: each run a task on a disk of its own, history in PostgreSQL, no cloud, no container."""
