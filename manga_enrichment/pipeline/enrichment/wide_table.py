"""`enriched_catalog`: one wide row per title, catalog columns beside those of every analysis."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.catalog.columns import CATALOG_COLUMNS
from manga_enrichment.domain.tables.changes import ENRICHED_CHANGES
from manga_enrichment.domain.tables.columns import Column
from manga_enrichment.domain.tables.shared_columns import CORRECTED_COLUMN
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.catalog.reader import open_catalog
from manga_enrichment.pipeline.changes.replace import ChangeReport, Followed, Origin
from manga_enrichment.pipeline.enrichment.previews import ROWS
from manga_enrichment.pipeline.labels.corrections import read_corrections
from manga_enrichment.pipeline.labels.overlay import corrected_among, flags, overlaid
from manga_enrichment.pipeline.store.arrow_types import arrow_schema, whole
from manga_enrichment.pipeline.store.in_order import TITLES_AT_ONCE, InOrder, batches_in_order
from manga_enrichment.pipeline.store.object_keys import table_key
from manga_enrichment.pipeline.store.rows import fitted

TABLE = "enriched_catalog"
JOINED_AT_ONCE = 4 * TITLES_AT_ONCE
"""Of so many columns a join of few titles takes as long as one of many."""


def enriched_columns(analyses: Iterable[AnalysisType]) -> tuple[Column, ...]:
    """Catalog columns, each single analysis' columns, and when each was answered; analysis columns can be null. In the
    end which of them are corrected."""
    wide: list[Column] = list(CATALOG_COLUMNS)
    for analysis in analyses:
        if analysis.parts:
            continue
        wide += [Column(column.name, column.type, column.doc) for column in analysis.columns]
        wide.append(Column(f"{analysis.name}_answered_at", "timestamp", f"when {analysis.name} was answered (UTC)"))
    return (*wide, CORRECTED_COLUMN)


@dataclass(frozen=True, slots=True)
class EnrichedReport:
    """One bucket: rows, how many of them have each analysis, in how many a correction stands, and what changed.
    catalog: what it was made of; first: its first rows."""

    bucket: str
    rows: int
    answered: Mapping[str, int]
    corrected: int
    uri: str
    changes: ChangeReport
    catalog: pq.ParquetFile
    first: pa.Table


def write_enriched(
    tables: ObjectStore, bucket: str, analyses: Sequence[AnalysisType], origin: Origin
) -> EnrichedReport:
    """Join one bucket's tables on manga_id, with corrections in place of what the model said, and put what changed into
    its wide table and into `enriched_changes`."""
    singles = [analysis for analysis in analyses if not analysis.parts]
    made: list[_Joined] = []

    def joined() -> "_Joined":
        made.append(_Joined(tables, bucket, singles))
        return made[-1]

    key = table_key(TABLE, bucket)
    _, changes = Followed(tables, key, ENRICHED_CHANGES, bucket).replace(joined, origin)
    last = made[-1]
    counts = last.rows, last.answered, last.corrected
    pa.default_memory_pool().release_unused()  # or so much of each bucket comes to stay, here and there
    return EnrichedReport(bucket, *counts, tables.uri(key), changes, last.catalog, last.first)


class _Joined:
    """The wide table in parts, some thousand titles each, as often as one likes.

    rows: of the catalog. answered: rows that each analysis has, corrected: rows with corrections, first: its first
    rows, all known when it has been gone through.
    """

    def __init__(self, tables: ObjectStore, bucket: str, singles: Sequence[AnalysisType]) -> None:
        self.catalog = open_catalog(tables, bucket).file
        self._answers = {each: tables.open(table_key(each.name, bucket)) for each in singles}
        ids = whole(self.catalog.read(["manga_id"]).column("manga_id"))
        self._corrections = {each: read_corrections(tables, each, ids) for each in singles}
        self._schema = arrow_schema(enriched_columns(singles))
        self.rows = self.catalog.metadata.num_rows
        self.first = self._schema.empty_table()
        self.answered: Mapping[str, int] = {}
        self.corrected = 0
        self._counts: Counter[str] = Counter()

    def __iter__(self) -> Iterator[pa.Table]:
        self._counts = Counter({analysis.name: 0 for analysis in self._answers})
        self.corrected = 0
        answers = {
            analysis: InOrder(stored.file, _wanted(analysis).names)
            for analysis, stored in self._answers.items()
            if stored is not None
        }
        for part in batches_in_order(self.catalog, at_once=JOINED_AT_ONCE):
            if part.num_rows:
                wide = self._wide(part, answers)
                if not self.first.num_rows:
                    self.first = wide.take([*range(wide.num_rows)][:ROWS])  # a slice would hold the whole part
                yield wide
        if not self.rows:
            yield self._schema.empty_table()
        self.answered = self._counts

    def _wide(self, part: pa.Table, answers: Mapping[AnalysisType, InOrder]) -> pa.Table:
        wide, ids = part, part.column("manga_id")
        corrected: dict[str, list[str]] = {}
        for analysis, rows in answers.items():
            own = rows.between(ids[0].as_py(), ids[-1].as_py())
            if own is not None:
                own = fitted(own, _wanted(analysis))
                self._counts[analysis.name] += own.num_rows
                values = corrected_among(own, self._corrections[analysis])
                for manga_id, said in values.items():
                    corrected.setdefault(manga_id, []).extend(said)
                wide = _left_join(wide, overlaid(own, values), f"{analysis.name}_answered_at")
        corrected_here = flags(wide, corrected)
        self.corrected += len(corrected_here) - corrected_here.null_count
        return self._in_whole(wide.append_column(CORRECTED_COLUMN.name, corrected_here))

    def _in_whole(self, wide: pa.Table) -> pa.Table:
        columns = [
            wide.column(field.name) if field.name in wide.column_names else pa.nulls(wide.num_rows, field.type)
            for field in self._schema
        ]
        return pa.table(columns, schema=self._schema)


def _wanted(analysis: AnalysisType) -> pa.Schema:
    """What the wide table takes of an analysis."""
    names = ["manga_id", *(column.name for column in analysis.columns), "answered_at"]
    return arrow_schema(column for column in analysis.table_columns if column.name in names)


def _left_join(wide: pa.Table, answers: pa.Table, answered_at: str) -> pa.Table:
    """Both are unique by manga_id; pyarrow's join does not carry list columns, so rows are taken by position."""
    ids = (whole(table.column("manga_id")) for table in (wide, answers))
    take = pc.index_in(next(ids), value_set=next(ids))
    for name in answers.column_names:
        if name != "manga_id":
            taken = whole(answers.column(name)).take(take)
            wide = wide.append_column(answered_at if name == "answered_at" else name, taken)
    return wide
