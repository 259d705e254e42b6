"""`catalog_tombstones`: titles that left the catalog, with what was known of them.

Belongs here: rows of titles that leave, and taking back those that return. Stays out: noticing (`replace.py`).

A title that leaves is written here before the catalog loses it, and taken out after the catalog has it again: whatever
is killed in between, one of the two has it.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from manga_enrichment.domain.tables.changes import TOMBSTONE_COLUMNS, LeftBecause
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.changes.compare import json_rows
from manga_enrichment.pipeline.changes.replace import Origin
from manga_enrichment.pipeline.store.arrow_types import arrow_schema
from manga_enrichment.pipeline.store.conditional_writes import rewrite_table
from manga_enrichment.pipeline.store.object_keys import outcomes_key, table_key, tombstones_key
from manga_enrichment.pipeline.store.rows import merge_rows

TOMBSTONE_SCHEMA = arrow_schema(TOMBSTONE_COLUMNS)
_ROWS_PER_BATCH = 4096


@dataclass(frozen=True, slots=True)
class Departure:
    """Why titles leave in one import. rejected: manga_id -> reason, of rows that are no titles now."""

    source_uri: str
    is_other_source: bool
    analyses: Collection[str] = ()
    rejected: Mapping[str, str] = field(default_factory=dict)

    def reason(self, manga_id: str) -> tuple[str, str]:
        """(reason, detail)."""
        if manga_id in self.rejected:
            return LeftBecause.REJECTED.value, self.rejected[manga_id]
        why = LeftBecause.SOURCE_REPLACED if self.is_other_source else LeftBecause.NOT_IN_SOURCE
        return why.value, self.source_uri


def bury(tables: ObjectStore, bucket: str, removed: pa.Table, departure: Departure, origin: Origin) -> int:
    """Write down the titles that the catalog loses by these changes; how many."""
    ids = removed.column("manga_id").combine_chunks()
    catalog_rows = dict(zip(ids.to_pylist(), removed.column("from_value").to_pylist(), strict=True))
    last_rows = catalog_rows | dict(_enriched_rows(tables, bucket, ids))
    outcomes = _outcomes(tables, bucket, ids, departure.analyses)

    def row(manga_id: str) -> dict[str, Any]:
        reason, detail = departure.reason(manga_id)
        return {
            "manga_id": manga_id,
            "title": orjson.loads(catalog_rows[manga_id])["title"],
            "left_at": origin.now,
            "reason": reason,
            "detail": detail,
            "outcomes": outcomes.get(manga_id, []),
            "last_row": last_rows[manga_id],
            "dagster_run_id": origin.run_id,
        }

    def with_rows(current: pa.Table | None) -> pa.Table:
        kept = [] if current is None else current.column("manga_id").to_pylist()
        return merge_rows(current, [row(each) for each in catalog_rows], kept, TOMBSTONE_SCHEMA)

    rewrite_table(tables, tombstones_key(bucket), with_rows)
    return len(catalog_rows)


def raise_again(tables: ObjectStore, bucket: str, parts: Iterable[pa.Table]) -> None:
    """Take out the titles that are in the catalog, these."""
    stored = tables.read(tombstones_key(bucket), ["manga_id"])
    if stored is None or not stored.table.num_rows:
        return
    buried = stored.table.column("manga_id").combine_chunks()
    ids = pa.array(
        [each for part in parts for each in _among(part, buried).column("manga_id").to_pylist()], pa.string()
    )
    if not len(ids):
        return

    def without(current: pa.Table | None) -> pa.Table:
        table = TOMBSTONE_SCHEMA.empty_table() if current is None else current
        return table.filter(pc.invert(pc.is_in(table.column("manga_id"), value_set=ids))).combine_chunks()

    rewrite_table(tables, tombstones_key(bucket), without)


def _enriched_rows(tables: ObjectStore, bucket: str, ids: pa.Array) -> Iterator[tuple[str, str]]:
    stored = tables.open(table_key("enriched_catalog", bucket))
    for batch in stored.file.iter_batches(_ROWS_PER_BATCH) if stored else ():
        found = _among(pa.Table.from_batches([batch]), ids)
        yield from zip(found.column("manga_id").to_pylist(), json_rows(found), strict=True)


def _outcomes(
    tables: ObjectStore, bucket: str, ids: pa.Array, analyses: Collection[str]
) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for analysis in analyses:
        stored = tables.read(outcomes_key(analysis, bucket), ["manga_id", "outcome", "reason"])
        if stored is None:
            continue
        for row in _among(stored.table, ids).to_pylist():
            told = {"analysis": analysis, "outcome": row["outcome"], "reason": row["reason"]}
            found.setdefault(row["manga_id"], []).append(told)
    return found


def _among(table: pa.Table, ids: pa.Array) -> pa.Table:
    return table.filter(pc.is_in(table.column("manga_id"), value_set=ids))
