"""The catalog: from a source file to stored buckets, and the candidate lists drawn from all of them."""
