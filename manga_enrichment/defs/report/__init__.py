"""The report in Dagster."""
