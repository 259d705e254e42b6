"""What is watched: costs of runs and days, queues, metrics, the soundness of tables."""
