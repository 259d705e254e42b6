"""What watches all runs: alerts, metrics, killed runs, run history."""
