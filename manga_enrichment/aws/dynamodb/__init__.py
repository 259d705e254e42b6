"""Gateways that keep rows in DynamoDB tables: ledger, budget, requests, outbox, senders, residents, status."""
