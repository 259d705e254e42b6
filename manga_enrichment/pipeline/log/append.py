"""Appending to the requests log: which object a row goes to.

    a title run      an object per run, analysis and bucket, completed by whoever comes later
    partners' rows   an object per run and hour of the attempt; a resident run's come with its flushes (`log_parts`),
                     and compaction merges an hour. A row may be in two of them: who reads takes it once (`read.py`)

Belongs here: keys of rows. Stays out: the rows (`rows.py`), the race with other writers
(`pipeline/store/conditional_writes.py`).
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import chain

import pyarrow as pa
import pyarrow.compute as pc

from manga_enrichment.domain.outcomes.answers import LedgerEntry, Provenance
from manga_enrichment.gateways.errors import WriteConflictError
from manga_enrichment.gateways.objects import ObjectStore, StoredFile
from manga_enrichment.pipeline.log.rows import (
    KEY,
    PARTNER_TRIGGER,
    REQUEST_SCHEMA,
    Row,
    as_requests,
    key_of,
    keys_of,
    missing_rows,
    request_rows,
    union_requests,
)
from manga_enrichment.pipeline.store.conditional_writes import CONFLICT_TRIES, rewrite_table
from manga_enrichment.pipeline.store.flusher import Part
from manga_enrichment.pipeline.store.hour_keys import group_of, hour_group, merged_key, part_key
from manga_enrichment.pipeline.store.object_keys import requests_key, requests_prefix
from manga_enrichment.pipeline.store.spool import Spool, reader_of

ROWS_AT_ONCE = 16_384


def append_requests(objects: ObjectStore, key: str, rows: Sequence[Row]) -> None:
    """Add rows to one object; rows that are there already change nothing. Raises WriteConflictError."""
    rewrite_table(objects, key, lambda current: union_requests(current, rows))


def append_parts(objects: ObjectStore, key: str, rows: Spool, *, is_first: bool = False) -> None:
    """As `append_requests`, of rows that would not fit into memory as dicts, each once. Raises WriteConflictError.

    is_first: most likely nothing stands there yet, so that it is not looked for before.
    """
    if not rows.has_rows:
        return
    for number in range(CONFLICT_TRIES):
        stored = None if is_first and not number else objects.open(key)
        try:
            if stored is None:
                objects.write(key, reader_of(rows, rows.schema), new=True)
            else:
                _add_to(objects, key, stored, rows)
        except WriteConflictError:
            continue
        return
    raise WriteConflictError(f"{objects.uri(key)} kept changing under {CONFLICT_TRIES} writes")


def _add_to(objects: ObjectStore, key: str, stored: StoredFile, rows: Spool) -> None:
    titles = pa.array({row["manga_id"] for part in rows for row in part.select(["manga_id"]).to_pylist()}, pa.string())
    there = (pa.Table.from_batches([each]) for each in stored.file.iter_batches(ROWS_AT_ONCE, columns=list(KEY)))
    known = keys_of(part.filter(pc.is_in(part.column("manga_id"), value_set=titles)) for part in there)
    with Spool(REQUEST_SCHEMA) as fresh:
        for part in rows:
            new = [row for row in part.to_pylist() if key_of(row) not in known]
            fresh.add(pa.Table.from_pylist(new, schema=REQUEST_SCHEMA))
        if fresh.has_rows:
            before = (as_requests(pa.Table.from_batches([each])) for each in stored.file.iter_batches(ROWS_AT_ONCE))
            objects.write(key, reader_of(chain(before, fresh), REQUEST_SCHEMA), expected_etag=stored.etag)


def log_entries(objects: ObjectStore, entries: Iterable[LedgerEntry]) -> None:
    """Log the attempts of entries under the run that paid, also when that run was killed before it could."""
    by_key: dict[str, list[Row]] = defaultdict(list)
    other_keys: dict[str, set[str]] = defaultdict(set)
    for entry in entries:
        paid = entry.provenance
        for row in request_rows(entry):
            key = log_key(paid, row)
            by_key[key].append(row)
            if group_of(key):  # compaction may have taken it over, or a release before 0.3.0 have logged it
                other_keys[key] |= {
                    merged_key(group_of(key)),
                    requests_key(paid.run_date, paid.run_id, entry.analysis, entry.bucket, paid.claim),
                }
    for key, rows in by_key.items():
        for other in sorted(other_keys[key]):
            there = objects.read(other)
            rows = missing_rows(there.table, rows) if there else rows  # noqa: PLW2901
        if rows:
            append_requests(objects, key, rows)


def log_rows(objects: ObjectStore, run: Provenance, rows: Iterable[Row]) -> None:
    """Log rows under this run, whatever their analysis and bucket."""
    by_key: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_key[log_key(run, row)].append(row)
    for key, own in by_key.items():
        append_requests(objects, key, own)


def log_parts(rows: Iterable[tuple[Provenance, Row]]) -> list[Part]:
    """Partners' rows for a flusher. The provenance is that of the run that sent or decided."""
    by_group: dict[str, list[Row]] = defaultdict(list)
    for run, row in rows:
        by_group[_hour_group(run, row)].append(row)
    return [Part(group, REQUEST_SCHEMA, own) for group, own in by_group.items()]


def log_key(run: Provenance, row: Row) -> str:
    """The object of a row that its run logs itself."""
    if row["trigger"] == PARTNER_TRIGGER:
        return part_key(_hour_group(run, row), f"{run.run_id}-{run.claim.replace(':', '-')}".rstrip("-"))
    return requests_key(run.run_date, run.run_id, row["analysis"], row["bucket"], run.claim)


def _hour_group(run: Provenance, row: Row) -> str:
    return hour_group(requests_prefix(run.run_date), row["started_at"])
