"""A night of titles: what is missing, asked for, written, accounted for, forecast."""
