"""The books when something is forgotten: every cent stays, words go.

Belongs here: logging what is only in the ledger, taking words out of the log. Stays out: which answers are a
subject's own (`find.py`).

A message in the log says why an attempt failed, and may quote an answer.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc

from manga_enrichment.domain.operations.forgetting import Trace
from manga_enrichment.domain.outcomes.answers import LedgerEntry
from manga_enrichment.domain.prompts.conversations import CONVERSATION
from manga_enrichment.gateways.erasure import Erasure
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.log.append import log_key
from manga_enrichment.pipeline.log.rows import REQUEST_SCHEMA, request_rows
from manga_enrichment.pipeline.store.conditional_writes import rewrite_table
from manga_enrichment.pipeline.store.hour_keys import group_of
from manga_enrichment.pipeline.store.object_keys import requests_key, requests_prefix, results_prefix

_LATER = timedelta(days=1)
"""A run that began before midnight logs under the day of its beginning."""


def log_keys(tables: ObjectStore, traces: Sequence[Trace], entries: Collection[LedgerEntry]) -> list[str]:
    """Objects of the requests log, and of what runs left for it, that may tell of these requests."""
    runs = {each.run_id for each in traces if each.run_id} | {each.provenance.run_id for each in entries}
    keys = {
        requests_key(e.provenance.run_date, e.provenance.run_id, e.analysis, e.bucket, e.provenance.claim)
        for e in entries
    }
    keys |= {log_key(e.provenance, row) for e in entries for row in request_rows(e)}
    for day in {day for each in traces for day in _days(each)} | {e.provenance.run_date for e in entries}:
        for key in tables.list_keys(requests_prefix(day)):
            name = key.rsplit("/", 1)[1]
            is_of_many = f"-{CONVERSATION.name}-" in name or group_of(key)
            if is_of_many or any(name.startswith(run_id) for run_id in runs):
                keys.add(key)
    return sorted(keys | {key for run_id in runs for key in tables.list_keys(results_prefix(run_id))})


def _days(trace: Trace) -> Iterator[str]:
    if trace.submitted_at is not None:
        day, last = (trace.submitted_at - _LATER).date(), (trace.ended_at or trace.submitted_at).date()
        while day <= last:
            yield day.isoformat()
            day += _LATER


def with_words(tables: ObjectStore, keys: Sequence[str], fingerprints: Collection[str]) -> list[str]:
    """Those of the keys that have a message about one of these answers."""
    found = []
    for key in keys:
        stored = tables.read(key, ["fingerprint", "message"])
        if stored is not None and pc.any(_speaks(stored.table, fingerprints)).as_py():
            found.append(key)
    return found


def take_words_out(erasure: Erasure, tables: ObjectStore, keys: Sequence[str], fingerprints: Collection[str]) -> None:
    """Empty the messages about these answers; every number stays. Raises WriteConflictError."""

    def emptied(current: pa.Table | None) -> pa.Table:
        table = REQUEST_SCHEMA.empty_table() if current is None else current
        place = table.schema.get_field_index("message")
        silent = pc.if_else(_speaks(table, fingerprints), pa.scalar(None, pa.string()), table.column(place))
        return table.set_column(place, table.schema.field(place), silent)

    for key in keys:
        rewrite_table(tables, key, emptied)
    for key in {group_of(key) or key for key in keys}:  # of an hour also the objects that compaction has deleted
        old = (each for each in erasure.versions(key) if (group_of(each.key) or each.key) == key)
        erasure.delete_versions([each for each in old if not (each.is_current or each.is_marker)])


def _speaks(table: pa.Table, fingerprints: Collection[str]) -> pa.ChunkedArray:
    own = pc.is_in(table.column("fingerprint"), value_set=pa.array(sorted(fingerprints), pa.string()))
    return pc.and_(own, pc.is_valid(table.column("message")))
