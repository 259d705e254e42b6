"""Rows and Parquet tables: schemas, rows of answers, outcomes and requests, and the merge that makes a new table.

Belongs here: pure functions from entries and tables to tables. Stays out: storing them
(`pipeline/enrichment/write.py`).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from manga_enrichment.domain.analyses.base import AnalysisType, Answer
from manga_enrichment.domain.outcomes.answers import Attempt, LedgerEntry
from manga_enrichment.domain.tables.shared_columns import OUTCOME_COLUMNS, REQUEST_COLUMNS, analysis_columns
from manga_enrichment.pipeline.store.arrow_types import arrow_schema

OUTCOME_SCHEMA = arrow_schema(OUTCOME_COLUMNS)
REQUEST_SCHEMA = arrow_schema(REQUEST_COLUMNS)
SCHEMAS_VERSION = "1"
"""Raise it when the catalog's columns or cleaning change: the next run then imports an unchanged source anew."""
_REQUEST_IDENTITY = ("manga_id", "analysis", "fingerprint", "attempt", "dagster_run_id", "status", "error_class")
"""Of a row for which nothing was sent; of an attempt also `started_at`, since a tried-again op counts from 1 again."""


def answer_schema(analysis: AnalysisType) -> pa.Schema:
    return arrow_schema(analysis_columns(analysis))


def answer_row(analysis: AnalysisType, entry: LedgerEntry) -> dict[str, Any]:
    """The row of `analysis` in an entry, its own or a combined one. The entry must have an answer."""
    if entry.answer is None:
        raise ValueError(f"entry {entry.fingerprint} has no answer")
    answer: Answer = entry.answer if entry.analysis == analysis.name else entry.answer[analysis.name]
    return {
        "manga_id": entry.manga_id,
        **analysis.to_row(answer),
        "via": entry.analysis,
        "fingerprint": entry.fingerprint,
        "model_id": entry.model_id,
        "prompt_version": entry.prompt_version,
        "answered_at": entry.created_at,
        "dagster_run_id": entry.provenance.run_id,
    }


def merge_rows(
    current: pa.Table | None, rows: Sequence[Mapping[str, Any]], keep_ids: Collection[str], schema: pa.Schema
) -> pa.Table:
    """Current rows of titles still in the catalog, replaced and joined by `rows`, sorted by manga_id."""
    new = pa.Table.from_pylist([dict(row) for row in rows], schema=schema)
    parts = [new]
    if current is not None and current.num_rows:
        ids = current.column("manga_id")
        kept = pc.and_(
            pc.is_in(ids, value_set=pa.array(sorted(keep_ids), pa.string())),
            pc.invert(pc.is_in(ids, value_set=new.column("manga_id").combine_chunks())),
        )
        parts.append(current.filter(kept).cast(schema))
    return pa.concat_tables(parts).sort_by("manga_id").combine_chunks()


def fingerprints(table: pa.Table | None) -> dict[str, str]:
    """manga_id -> fingerprint of a table of answers."""
    if table is None:
        return {}
    return dict(zip(table.column("manga_id").to_pylist(), table.column("fingerprint").to_pylist(), strict=True))


def request_rows(entry: LedgerEntry) -> list[dict[str, Any]]:
    """One row per attempt of an entry."""
    return [
        attempt_row(
            attempt,
            entry.attempts,
            identity={
                "manga_id": entry.manga_id,
                "analysis": entry.analysis,
                "bucket": entry.bucket,
                "fingerprint": entry.fingerprint,
                "model_id": entry.model_id,
                "prompt_version": entry.prompt_version,
                "lane": entry.lane,
                "dagster_run_id": entry.provenance.run_id,
                "trigger": entry.provenance.trigger,
                "partner_id": entry.provenance.partner_id or None,
            },
            status=entry.outcome.value,
        )
        for attempt in entry.attempts
    ]


def attempt_row(
    attempt: Attempt, attempts: Sequence[Attempt], *, identity: Mapping[str, Any], status: str
) -> dict[str, Any]:
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
        "maybe_billed": attempt.maybe_billed,
        "latency_ms": attempt.latency_ms,
        "from_cache": False,
        "started_at": attempt.started_at,
    }


UNSENT = {
    "attempt": 0,
    "attempts": 0,
    "input_tokens": 0,
    "output_tokens": 0,
    "cache_read_tokens": 0,
    "cache_write_tokens": 0,
    "cost_micro_usd": 0,
    "maybe_billed": False,
    "latency_ms": 0,
    "lane": "on_demand",
}
"""Values of a requests row about a title for which nothing was sent."""


def union_requests(existing: pa.Table | None, rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Existing rows and those not among them yet: logging the same attempt twice changes nothing."""
    known: set[tuple[Any, ...]] = set()
    if existing is not None:
        known.update(map(_identity, existing.select([*_REQUEST_IDENTITY, "started_at"]).to_pylist()))
    fresh = {identity: dict(row) for row in rows if (identity := _identity(row)) not in known}
    new = pa.Table.from_pylist(list(fresh.values()), schema=REQUEST_SCHEMA)
    return new if existing is None else pa.concat_tables([existing.cast(REQUEST_SCHEMA), new])


def _identity(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return (*(row.get(name) for name in _REQUEST_IDENTITY), row["started_at"] if row["attempt"] else None)
