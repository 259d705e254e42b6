"""The table `queue_observations`: one object a day, one look after the other.

Belongs here: adding a look (to any table of looks), reading the latest back. Stays out: looking (`queue_watch.py`),
what is worrying (`domain/operations/queue_observations.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from manga_enrichment.domain.operations.queue_observations import QUEUE_OBSERVATION_COLUMNS, AgeSource, QueueObservation
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.store.arrow_types import arrow_schema
from manga_enrichment.pipeline.store.conditional_writes import rewrite_table
from manga_enrichment.pipeline.store.object_keys import queue_observations_key

SCHEMA = arrow_schema(QUEUE_OBSERVATION_COLUMNS)


def store_observations(tables: ObjectStore, seen: Sequence[QueueObservation], run_id: str) -> str:
    """Add one look to its day's object; its key. The same look of the same run is stored once.

    Raises WriteConflictError when others keep writing.
    """
    key = queue_observations_key(seen[0].observed_at.date().isoformat())
    add_look(tables, key, pa.Table.from_pylist([_row(each, run_id) for each in seen], schema=SCHEMA), run_id)
    return key


def add_look(tables: ObjectStore, key: str, fresh: pa.Table, run_id: str) -> None:
    """Put the rows of a look behind those that are there, unless they are there. Raises WriteConflictError."""

    def with_look(found: pa.Table | None) -> pa.Table:
        if found is None:
            return fresh
        known = run_id in found.column("dagster_run_id").to_pylist()
        return found if known else pa.concat_tables([found.cast(fresh.schema), fresh])

    rewrite_table(tables, key, with_look)


def rows_of_looks(tables: ObjectStore, keys: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of these objects, as far as they are there."""
    stored = (tables.read(key) for key in keys)
    return [row for found in stored if found is not None for row in found.table.to_pylist()]


def latest_looks(tables: ObjectStore, now: datetime, count: int) -> list[list[QueueObservation]]:
    """The newest looks of today and yesterday, newest first; fewer when there are no more."""
    rows: list[dict[str, Any]] = []
    for day in (now.date(), now.date() - timedelta(days=1)):
        found = tables.read(queue_observations_key(day.isoformat()))
        rows += found.table.to_pylist() if found else []
        if len({row["observed_at"] for row in rows}) >= count:
            break
    moments = sorted({row["observed_at"] for row in rows}, reverse=True)[:count]
    return [[_observation(row) for row in rows if row["observed_at"] == moment] for moment in moments]


def _row(seen: QueueObservation, run_id: str) -> dict[str, Any]:
    kind = "dead_letters" if seen.is_dead_letters else "requests"
    source = seen.oldest_age_source.value
    return {**asdict(seen), "kind": kind, "oldest_age_source": source, "dagster_run_id": run_id}


def _observation(row: Mapping[str, Any]) -> QueueObservation:
    fields = {name: value for name, value in row.items() if name not in {"kind", "dagster_run_id"}}
    return QueueObservation(**{**fields, "oldest_age_source": AgeSource(row["oldest_age_source"])})
