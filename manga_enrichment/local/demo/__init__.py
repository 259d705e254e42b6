"""`make demo`: the shipped catalog and example batches, through the whole system."""
