"""The requests log: a row for everything that was sent to a model, and for every title decided without sending."""
