"""Partners' requests in Dagster: sensors, job, ops, the outbox."""
