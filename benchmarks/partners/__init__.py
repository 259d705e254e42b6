"""What a partner gets and when: this tree and an earlier commit, each as `manga-enrichment dev` runs it.

Belongs here: a site per tree (`site.py`), a partner's clock (`partner.py`), what is measured (`phases.py`,
`crowded.py`), the command (`__main__.py`). Stays out: single modules without a daemon (`benchmarks/drain.py`).

Both sites are made by their own command line and spoken to from outside alone: HTTP with an API key, SQS, status rows,
Dagster's GraphQL, the model server's control interface. Their calls to AWS are counted in their own processes
(`counted/sitecustomize.py`).
"""
