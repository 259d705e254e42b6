"""Bulk enrichment of a manga catalog with foundation models, on Dagster and Amazon Bedrock."""
