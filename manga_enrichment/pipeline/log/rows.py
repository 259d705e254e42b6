"""Rows of the requests log: who they are about, what an attempt was, and when two rows are the same.

Belongs here: pure functions from calls, entries and attempts to rows. Stays out: storing them (`append.py`).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa

from manga_enrichment.domain.outcomes.answers import Attempt, LedgerEntry, Provenance
from manga_enrichment.domain.tables.shared_columns import REQUEST_COLUMNS
from manga_enrichment.pipeline.store.arrow_types import arrow_schema
from manga_enrichment.pipeline.store.hour_groups import joined

Row = Mapping[str, Any]

REQUEST_SCHEMA = arrow_schema(REQUEST_COLUMNS)
PARTNER_TRIGGER = "partner"
"""Of what partners' requests asked; only their rows may be in two objects."""
_KEY = ("manga_id", "analysis", "fingerprint", "attempt", "dagster_run_id", "status", "error_class")
"""Of a row for which nothing was sent; of an attempt also `started_at`, since a tried-again op counts from 1 again."""
KEY = (*_KEY, "started_at")
_UNSENT = {
    "attempt": 0,
    "attempts": 0,
    "input_tokens": 0,
    "output_tokens": 0,
    "cache_read_tokens": 0,
    "cache_write_tokens": 0,
    "cost_micro_usd": 0,
    "guardrail_micro_usd": 0,
    "maybe_billed": False,
    "latency_ms": 0,
}


def row_identity(
    *,
    manga_id: str,
    analysis: str,
    bucket: str,
    provenance: Provenance,
    fingerprint: str | None = None,
    model_id: str | None = None,
    prompt_version: str | None = None,
    lane: str = "on_demand",
    why: str = "",
) -> dict[str, Any]:
    """What a row is about and who asked: the columns that all rows of one question have in common."""
    return {
        "manga_id": manga_id,
        "analysis": analysis,
        "bucket": bucket,
        "fingerprint": fingerprint,
        "model_id": model_id,
        "prompt_version": prompt_version,
        "lane": lane,
        "why": why or None,
        "dagster_run_id": provenance.run_id,
        "trigger": provenance.trigger,
        "partner_id": provenance.partner_id or None,
    }


def request_rows(entry: LedgerEntry) -> list[dict[str, Any]]:
    """One row per attempt of an entry."""
    identity = row_identity(
        manga_id=entry.manga_id,
        analysis=entry.analysis,
        bucket=entry.bucket,
        provenance=entry.provenance,
        fingerprint=entry.fingerprint,
        model_id=entry.model_id,
        prompt_version=entry.prompt_version,
        lane=entry.lane,
        why=entry.why,
    )
    return [attempt_row(each, entry.attempts, identity=identity, status=entry.outcome.value) for each in entry.attempts]


def attempt_row(attempt: Attempt, attempts: Sequence[Attempt], *, identity: Row, status: str) -> dict[str, Any]:
    """status: the title's outcome, shown on the last attempt; earlier ones were `retried`."""
    return {
        **identity,
        "attempt": attempt.number,
        "attempts": len(attempts),
        "status": status if attempt.number == len(attempts) else "retried",
        "error_class": attempt.error_class.value if attempt.error_class else None,
        "stop_reason": attempt.stop_reason or None,
        "message": attempt.message or None,
        "input_tokens": attempt.usage.input_tokens,
        "output_tokens": attempt.usage.output_tokens,
        "cache_read_tokens": attempt.usage.cache_read_tokens,
        "cache_write_tokens": attempt.usage.cache_write_tokens,
        "cost_micro_usd": attempt.cost_micro_usd,
        "guardrail_micro_usd": attempt.guardrail_micro_usd,
        "service_tier": attempt.service_tier or None,
        "maybe_billed": attempt.maybe_billed,
        "latency_ms": attempt.latency_ms,
        "from_cache": False,
        "started_at": attempt.started_at,
    }


def unsent_row(
    identity: Row,
    *,
    status: str,
    at: datetime,
    error_class: str | None = None,
    message: str | None = None,
    from_cache: bool = False,
) -> dict[str, Any]:
    """A row about a title for which nothing was sent, and why."""
    return {
        **_UNSENT,
        **identity,
        "status": status,
        "error_class": error_class,
        "message": message,
        "from_cache": from_cache,
        "started_at": at,
    }


def union_requests(existing: pa.Table | None, rows: Iterable[Row]) -> pa.Table:
    """Existing rows and those not among them yet: logging the same attempt twice changes nothing."""
    fresh = missing_rows(existing, rows)
    new = pa.Table.from_pylist([dict(row) for row in fresh], schema=REQUEST_SCHEMA)
    return new if existing is None else as_requests(existing, new)


def as_requests(*tables: pa.Table) -> pa.Table:
    """Stored rows with all of today's columns."""
    return joined([REQUEST_SCHEMA.empty_table(), *tables]).cast(REQUEST_SCHEMA)


def missing_rows(existing: pa.Table | None, rows: Iterable[Row]) -> list[Row]:
    """Those that are not among the existing ones, each once."""
    known = keys_of([] if existing is None else [existing])
    return list({key: row for row in rows if (key := key_of(row)) not in known}.values())


def keys_of(tables: Iterable[pa.Table]) -> set[tuple[Any, ...]]:
    return {key_of(row) for table in tables for row in table.select(list(KEY)).to_pylist()}


def key_of(row: Row) -> tuple[Any, ...]:
    """What two rows have in common that are the same."""
    return (*(row.get(name) for name in _KEY), row["started_at"] if row["attempt"] else None)
