"""Appending to the requests log: one object per run, analysis and bucket, completed by whoever comes later.

Belongs here: which object a row goes to. Stays out: the rows (`rows.py`), the race with other writers
(`pipeline/store/conditional_writes.py`).
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from manga_enrichment.domain.outcomes.answers import LedgerEntry, Provenance
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.log.rows import Row, request_rows, union_requests
from manga_enrichment.pipeline.store.conditional_writes import rewrite_table
from manga_enrichment.pipeline.store.object_keys import requests_key


def append_requests(objects: ObjectStore, key: str, rows: Sequence[Row]) -> None:
    """Add rows to one object; rows that are there already change nothing. Raises WriteConflictError."""
    rewrite_table(objects, key, lambda current: union_requests(current, rows))


def log_entries(objects: ObjectStore, entries: Iterable[LedgerEntry]) -> None:
    """Log the attempts of entries under the run that paid, also when that run was killed before it could."""
    by_key: dict[str, list[Row]] = defaultdict(list)
    for entry in entries:
        paid = entry.provenance
        by_key[requests_key(paid.run_date, paid.run_id, entry.analysis, entry.bucket, paid.claim)] += request_rows(
            entry
        )
    for key, rows in by_key.items():
        append_requests(objects, key, rows)


def log_rows(objects: ObjectStore, run: Provenance, rows: Iterable[Row]) -> None:
    """Log rows under this run, whatever their analysis and bucket."""
    by_key: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_key[requests_key(run.run_date, run.run_id, row["analysis"], row["bucket"], run.claim)].append(row)
    for key, own in by_key.items():
        append_requests(objects, key, own)
