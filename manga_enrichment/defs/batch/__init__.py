"""Bedrock batch jobs in Dagster."""
