"""What operators see: costs, incidents, metrics, queue observations."""
