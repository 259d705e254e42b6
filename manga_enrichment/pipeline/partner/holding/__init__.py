"""A request while this process has it: its message hidden, its row ours; and how both are given back."""
