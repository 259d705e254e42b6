"""What the process itself is: its clock, its garbage collector, other processes."""
