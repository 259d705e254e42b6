"""What enrichment cost, in Dagster."""
