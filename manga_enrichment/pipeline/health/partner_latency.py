"""The table `partner_latency`: how long partners waited, one look after the other.

Belongs here: finding what was answered in a window, adding a look, reading the latest back. Stays out: percentiles and
bounds (`domain/operations/partner_latency.py`).

What a request took stands in its rows of `partner_results`, which lie by the hour in which it was submitted. What was
submitted hours before the window is not looked for: that so old a request waits is a matter of the queue checks.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from manga_enrichment.domain.operations.partner_latency import (
    PARTNER_LATENCY_COLUMNS,
    WINDOW,
    AnsweredRequest,
    QueueLatency,
    latency_by_queue,
)
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.health.daily_costs import days_until
from manga_enrichment.pipeline.health.stored_looks import add_look, rows_of_looks
from manga_enrichment.pipeline.store.arrow_types import arrow_schema
from manga_enrichment.pipeline.store.hour_groups import read_group
from manga_enrichment.pipeline.store.hour_keys import hour_group
from manga_enrichment.pipeline.store.object_keys import partner_latency_key, partner_results_prefix

TABLE = "partner_latency"
SCHEMA = arrow_schema(PARTNER_LATENCY_COLUMNS)

FRESH = timedelta(minutes=10)
"""A look every five minutes; what is older says nothing of now."""

LOOK_BACK = timedelta(hours=6)
"""How long before the window a request may have been submitted."""

_TIMES = ("queue", "accepted_at", "claimed_at", "completed_at", "model_seconds")
_READ = ["request_id", "generation", "position", *_TIMES]
_DAYS = 2


def look_at_latency(tables: ObjectStore, now: datetime, window: timedelta = WINDOW) -> list[QueueLatency]:
    """By queue, what was answered in the window that ends now."""
    return latency_by_queue(answered_requests(tables, now - window, now), now, window)


def answered_requests(tables: ObjectStore, after: datetime, until: datetime) -> Iterator[AnsweredRequest]:
    """Requests that were completed in that time, each once; those of releases that noted no times are left out."""
    newest: dict[str, tuple[int, AnsweredRequest]] = {}
    for table in _rows(tables, after, until):
        for row in table.to_pylist():
            generation, _ = newest.get(row["request_id"], (0, None))
            if row["generation"] > generation:
                newest[row["request_id"]] = (row["generation"], AnsweredRequest(**{name: row[name] for name in _TIMES}))
    return (request for _, request in newest.values())


def store_latency(tables: ObjectStore, seen: list[QueueLatency], now: datetime, run_id: str) -> str:
    """Add one look to its day's object; its key. A look at which nothing had been answered leaves no row.

    Raises WriteConflictError when others keep writing.
    """
    key = partner_latency_key(now.date().isoformat())
    fresh = pa.Table.from_pylist([{**each.to_row(), "dagster_run_id": run_id} for each in seen], schema=SCHEMA)
    add_look(tables, key, fresh, run_id)
    return key


def latency_looks(tables: ObjectStore, now: datetime, span: timedelta) -> list[list[QueueLatency]]:
    """The looks of that time with an answer in them, newest first."""
    days = days_until(now.date(), _DAYS)
    rows = rows_of_looks(tables, [partner_latency_key(day) for day in days])
    moments = sorted({row["observed_at"] for row in rows if row["observed_at"] > now - span}, reverse=True)
    return [[QueueLatency.from_row(row) for row in rows if row["observed_at"] == moment] for moment in moments]


def _rows(tables: ObjectStore, after: datetime, until: datetime) -> Iterator[pa.Table]:
    """One row for each result that was written in that time."""
    completed = pc.field("completed_at")
    wanted = (completed > pa.scalar(after)) & (completed <= pa.scalar(until)) & (pc.field("position") == 0)
    noted = pc.field("claimed_at").is_valid() & pc.field("accepted_at").is_valid()
    hour = (after - LOOK_BACK).replace(minute=0, second=0, microsecond=0)
    while hour <= until:
        group = hour_group(partner_results_prefix(hour.date().isoformat()), hour)
        for stored in read_group(tables, group, _READ).values():
            if set(_READ) <= set(stored.table.column_names):
                yield stored.table.filter(wanted & noted)
        hour += timedelta(hours=1)
