"""A correction shown at once: one title's row of `enriched_catalog`, brought up to date between two nights.

Belongs here: that row. Stays out: building the table (`pipeline/enrichment/wide_table.py`), which lays the same
corrections over the same answers. Whatever else a night would bring waits for its checks.
"""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.tables.changes import ENRICHED_CHANGES
from manga_enrichment.domain.tables.shared_columns import CORRECTED_COLUMN
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.changes.replace import Followed, Origin
from manga_enrichment.pipeline.enrichment.wide_table import TABLE
from manga_enrichment.pipeline.labels.corrections import read_corrections
from manga_enrichment.pipeline.labels.overlay import overlaid
from manga_enrichment.pipeline.store.arrow_types import arrow_schema
from manga_enrichment.pipeline.store.in_order import batches_in_order
from manga_enrichment.pipeline.store.object_keys import table_key


def show_corrections(objects: ObjectStore, bucket: str, manga_id: str, analysis: AnalysisType, origin: Origin) -> None:
    """A title that has no row of this answer yet gets it from a night. Raises WriteConflictError,
    StoreUnavailableError."""
    key = table_key(TABLE, bucket)
    if objects.open(key) is not None:
        followed = Followed(objects, key, ENRICHED_CHANGES, bucket)
        followed.replace(lambda: _Patched(objects, bucket, manga_id, analysis), origin)


class _Patched:
    """The table in parts, as often as one likes, with one title's answer of one analysis as it is to be read now."""

    def __init__(self, objects: ObjectStore, bucket: str, manga_id: str, analysis: AnalysisType) -> None:
        self._stored, self._manga_id, self._analysis = objects.open(table_key(TABLE, bucket)), manga_id, analysis
        answers = objects.read(table_key(analysis.name, bucket))
        self._said = row_of(answers.table, manga_id) if answers else {}
        self._standing = read_corrections(objects, analysis, pa.array([manga_id])).of(manga_id)

    def __iter__(self) -> Iterator[pa.Table]:
        for part in batches_in_order(self._stored.file) if self._stored else ():
            whole = part
            if CORRECTED_COLUMN.name not in part.column_names:
                field = arrow_schema([CORRECTED_COLUMN]).field(0)
                whole = part.append_column(field, pa.nulls(part.num_rows, field.type))
            yield overlaid(whole, {self._manga_id: self._now(row_of(whole, self._manga_id))})

    def _now(self, row: dict[str, Any]) -> dict[str, Any]:
        """What changes: columns that are or were corrected, and the list of those that are."""
        if not self._said or row.get(f"{self._analysis.name}_answered_at") is None:
            return {}
        own = {column.name for column in self._analysis.columns}
        before = set(row[CORRECTED_COLUMN.name] or ())
        models = {name: self._said.get(name) for name in before & own}
        corrected = sorted((before - own) | self._standing.keys())
        return {**models, **self._standing, CORRECTED_COLUMN.name: corrected or None}


def row_of(table: pa.Table, manga_id: str) -> dict[str, Any]:
    """{} for a title that is not there."""
    found: list[dict[str, Any]] = table.filter(pc.equal(table.column("manga_id"), manga_id)).to_pylist()
    return found[0] if found else {}
