"""Queues and dead letters in Dagster."""
