"""Pure rules of the house: no Dagster, no boto3, no clock, no environment."""
