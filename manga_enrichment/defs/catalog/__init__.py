"""The catalog in Dagster."""
