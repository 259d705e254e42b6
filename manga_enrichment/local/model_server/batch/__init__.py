"""Batch inference jobs of the stand-in: endpoints, files, states, the work itself."""
