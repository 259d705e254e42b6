"""The title lane in Dagster: assets, ops, checks, job, schedule."""
