"""`enriched_catalog`: one wide row per title, catalog columns beside those of every analysis."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.catalog.columns import CATALOG_COLUMNS
from manga_enrichment.domain.tables.changes import ENRICHED_CHANGES
from manga_enrichment.domain.tables.columns import Column
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.catalog.reader import read_catalog
from manga_enrichment.pipeline.changes.replace import ChangeReport, Followed, Origin
from manga_enrichment.pipeline.store.arrow_types import arrow_schema
from manga_enrichment.pipeline.store.object_keys import table_key
from manga_enrichment.pipeline.store.rows import fitted

TABLE = "enriched_catalog"


def enriched_columns(analyses: Iterable[AnalysisType]) -> tuple[Column, ...]:
    """Catalog columns, each single analysis' columns, and when each was answered; analysis columns can be null."""
    wide: list[Column] = list(CATALOG_COLUMNS)
    for analysis in analyses:
        if analysis.parts:
            continue
        wide += [Column(column.name, column.type, column.doc) for column in analysis.columns]
        wide.append(Column(f"{analysis.name}_answered_at", "timestamp", f"when {analysis.name} was answered (UTC)"))
    return tuple(wide)


@dataclass(frozen=True, slots=True)
class EnrichedReport:
    """One bucket: rows, how many of them have each analysis, and what changed."""

    bucket: str
    rows: int
    answered: Mapping[str, int]
    uri: str
    changes: ChangeReport


def write_enriched(
    tables: ObjectStore, bucket: str, analyses: Sequence[AnalysisType], origin: Origin
) -> EnrichedReport:
    """Join one bucket's tables on manga_id, and put what changed into its wide table and into `enriched_changes`."""
    singles = [analysis for analysis in analyses if not analysis.parts]
    answered: dict[str, int] = {}

    def joined() -> list[pa.Table]:
        return [_joined(tables, bucket, singles, answered)]

    key = table_key(TABLE, bucket)
    parts, changes = Followed(tables, key, ENRICHED_CHANGES, bucket).replace(joined, origin)
    return EnrichedReport(bucket, sum(part.num_rows for part in parts), answered, tables.uri(key), changes)


def _joined(tables: ObjectStore, bucket: str, singles: Sequence[AnalysisType], answered: dict[str, int]) -> pa.Table:
    """answered: is told how many rows each analysis has."""
    wide = read_catalog(tables, bucket)
    for analysis in singles:
        names = ["manga_id", *(column.name for column in analysis.columns), "answered_at"]
        stored = tables.read(table_key(analysis.name, bucket), names)
        if stored is None:
            answered[analysis.name] = 0
            continue
        today = arrow_schema(column for column in analysis.table_columns if column.name in names)
        answers = fitted(stored.table.select([name for name in names if name in stored.table.column_names]), today)
        answered[analysis.name] = answers.num_rows
        wide = _left_join(wide, answers, f"{analysis.name}_answered_at")
    schema = arrow_schema(enriched_columns(singles))
    columns = [
        wide.column(field.name) if field.name in wide.column_names else pa.nulls(wide.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def _left_join(wide: pa.Table, answers: pa.Table, answered_at: str) -> pa.Table:
    """Both are unique by manga_id; pyarrow's join does not carry list columns, so rows are taken by position."""
    positions = {manga_id: row for row, manga_id in enumerate(answers.column("manga_id").to_pylist())}
    take = pa.array([positions.get(manga_id) for manga_id in wide.column("manga_id").to_pylist()], pa.int64())
    for name in answers.column_names:
        if name != "manga_id":
            taken = answers.column(name).combine_chunks().take(take)
            wide = wide.append_column(answered_at if name == "answered_at" else name, taken)
    return wide
