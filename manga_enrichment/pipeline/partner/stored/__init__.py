"""What the request lane keeps in S3: accepted requests, work units, results."""
