"""Bedrock batch jobs: put on record, launched, followed, collected."""
