"""Use cases over gateways: no Dagster, no boto3."""
