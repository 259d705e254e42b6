"""An hour of nights, backfills and partners under faults, kills and clock steps, on the product's own processes."""
