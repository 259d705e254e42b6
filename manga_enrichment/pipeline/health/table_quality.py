"""What must hold of the tables, checked column by column. Pure but for reading.

Belongs here: problems with an example each. Stays out: severities (`defs/enrichment/quality_checks.py`).
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.domain.tables.columns import ListOf, StructOf
from manga_enrichment.gateways.objects import ObjectStore, TableReader
from manga_enrichment.pipeline.catalog.reader import read_catalog
from manga_enrichment.pipeline.store.arrow_types import whole
from manga_enrichment.pipeline.store.object_keys import outcomes_key, table_key
from manga_enrichment.pipeline.store.rows import answer_schema

_EXAMPLES = 5
_UNKNOWN, _DANGLING = "unknown_id", "dangling_id"
"""Problems of ids that the catalog does not have: of a row's own title, of one that it names."""


@dataclass(slots=True)
class QualityReport:
    """rows checked, problems by kind, and a few examples."""

    rows: int = 0
    problems: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    def note(self, kind: str, example: str) -> None:
        self.problems[kind] += 1
        if len(self.examples) < _EXAMPLES:
            self.examples.append(f"{kind}: {example}")


class CatalogIds:
    """Of the catalog's titles: each bucket's are read once for all that ask, until they are forgotten."""

    def __init__(self, tables: TableReader) -> None:
        self._tables = tables
        self._known: dict[str, pa.Array] = {}

    def of(self, bucket: str) -> pa.Array:
        """Raises ConfigurationError for a bucket that was never imported."""
        if bucket not in self._known:
            self._known[bucket] = whole(read_catalog(self._tables, bucket, ["manga_id"]).column("manga_id"))
        return self._known[bucket]

    def forget(self) -> None:
        self._known.clear()


def check_rows(
    tables: ObjectStore, analysis: AnalysisType, buckets: Sequence[str], ids: CatalogIds | None = None
) -> QualityReport:
    """Schema, unique ids, ids that exist in the catalog, values that the analysis knows.

    ids: those that others have looked at; what is not among them is looked for once more before it is told.
    """
    return _looked_at(tables, ids, lambda known: _check_rows(tables, analysis, buckets, known))


def _looked_at(
    tables: ObjectStore, ids: CatalogIds | None, look: Callable[[CatalogIds], QualityReport]
) -> QualityReport:
    """With ids that others have looked at; once more with those of now, before it is told that one is not there."""
    report = look(CatalogIds(tables) if ids is None else ids)
    if ids is None or not any(report.problems[kind] for kind in (_UNKNOWN, _DANGLING)):
        return report
    ids.forget()
    return look(ids)


def _check_rows(tables: ObjectStore, analysis: AnalysisType, buckets: Sequence[str], ids: CatalogIds) -> QualityReport:
    report = QualityReport()
    for bucket in buckets:
        stored = tables.open(table_key(analysis.name, bucket))
        if stored is None:
            continue
        report.rows += stored.file.metadata.num_rows
        if _check_schema(report, analysis, stored.file.schema_arrow, bucket):
            own = stored.file.read(["manga_id"], use_threads=False).column("manga_id")
            _check_ids(report, own, ids.of(bucket), bucket)
            _check_values(report, analysis, stored.file)
    return report


def refers_to_titles(analysis: AnalysisType) -> bool:
    """Whether rows of its table name other titles."""
    return bool(_reference_columns(analysis))


def check_references(
    tables: ObjectStore,
    analysis: AnalysisType,
    buckets: Sequence[str],
    all_buckets: Sequence[str],
    ids: CatalogIds | None = None,
) -> QualityReport:
    """Whether the other titles that rows of `buckets` name are in the catalog, in whichever bucket. ids: as of
    `check_rows`."""
    return _looked_at(tables, ids, lambda known: _check_references(tables, analysis, buckets, all_buckets, known))


def _check_references(
    tables: ObjectStore,
    analysis: AnalysisType,
    buckets: Sequence[str],
    all_buckets: Sequence[str],
    ids: CatalogIds,
) -> QualityReport:
    report = QualityReport()
    known = pa.concat_arrays([pa.array([], pa.string()), *map(ids.of, all_buckets)])
    columns = _reference_columns(analysis)
    for bucket in buckets:
        stored = tables.open(table_key(analysis.name, bucket))
        if stored is None:
            continue
        report.rows += stored.file.metadata.num_rows
        for batch in stored.file.iter_batches(columns=["manga_id", *columns], use_threads=False):
            for name in columns:
                others = pc.struct_field(pc.list_flatten(batch.column(name)), "manga_id")
                for owner, other in _outside(batch, name, others, known):
                    report.note(_DANGLING, f"{owner} names {other}, which is not in the catalog")
    return report


def _check_schema(report: QualityReport, analysis: AnalysisType, schema: pa.Schema, bucket: str) -> bool:
    """Also what may be null: a file whose schema forbids it holds no null. True when it fits."""
    expected = answer_schema(analysis)
    if not schema.equals(expected):
        wrong = [column.name for column in expected if column not in list(schema)]
        there = f"{', '.join(wrong)} differ" if wrong else f"unexpected columns beside {expected.names}"
        report.note("schema", f"bucket {bucket}: {there}")
        return False
    return True


def _check_ids(report: QualityReport, ids: pa.ChunkedArray, catalog_ids: pa.Array, bucket: str) -> None:
    counts = pc.value_counts(ids)
    unknown = counts.filter(pc.invert(pc.is_in(counts.field("values"), value_set=catalog_ids)))
    for each in unknown.field("values").to_pylist():
        report.note(_UNKNOWN, f"{each} is not in catalog bucket {bucket}")
    for each in counts.filter(pc.greater(counts.field("counts"), 1)).to_pylist():
        report.note("duplicate_id", f"{each['values']} has {each['counts']} rows in bucket {bucket}")


def _check_values(report: QualityReport, analysis: AnalysisType, file: pq.ParquetFile) -> None:
    columns = [column for column in analysis.columns if column.values]
    for batch in file.iter_batches(columns=["manga_id", *(each.name for each in columns)], use_threads=False):
        for column in columns:
            values = batch.column(column.name)
            values = pc.list_flatten(values) if pa.types.is_list(values.type) else values
            for owner, value in _outside(batch, column.name, values, pa.array(column.values, values.type)):
                report.note("unknown_value", f"{owner} has {column.name} {value!r}")


def _outside(batch: pa.RecordBatch, name: str, values: pa.Array, known: pa.Array) -> Iterator[tuple[str, Any]]:
    """(manga_id, value) of what is none of the known. values: those of a column, of lists all their elements."""
    is_list = pa.types.is_list(batch.column(name).type)
    owners = pc.list_parent_indices(batch.column(name)) if is_list else pa.array(range(len(values)))
    strange = pc.and_(values.is_valid(), pc.invert(pc.is_in(values, value_set=known)))
    named = batch.column("manga_id").take(owners.filter(strange))
    yield from zip(named.to_pylist(), values.filter(strange).to_pylist(), strict=True)


def _reference_columns(analysis: AnalysisType) -> list[str]:
    """Lists of structs that have a manga_id."""
    return [
        column.name
        for column in analysis.columns
        if isinstance(column.type, ListOf)
        and isinstance(column.type.item, StructOf)
        and "manga_id" in dict(column.type.item.fields)
    ]


HELD_BACK = "held_back"
"""Of titles that keep an earlier answer until a canary has passed."""
STANDING_COLUMNS = ["outcome", "error_class", "transient"]
FAILED_IN_PASSING = "failed_in_passing"
"""Of titles that failed, and are asked again by the next run."""


@dataclass(frozen=True, slots=True)
class OutcomeFacts:
    """Titles of some buckets that have outcomes: how many by STANDING_COLUMNS, and who is asked no more."""

    counts: Counter[tuple[str, str | None, bool]]
    given_up: Sequence[str]

    @property
    def standings(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for row, count in self.counts.items():
            found[_standing(row)] += count
        return found

    @property
    def missing(self) -> Counter[tuple[str, bool]]:
        """Titles that should have an answer and have none, by (error class, whether the next run asks again)."""
        found: Counter[tuple[str, bool]] = Counter()
        for row, count in self.counts.items():
            _, error_class, transient = row
            if error_class and _standing(row) not in (HELD_BACK, Outcome.SUCCEEDED.value):
                found[error_class, transient] += count
        return found

    @property
    def deferred(self) -> Counter[str]:
        """Titles that the next run asks for, by error class: why this one left them."""
        found: Counter[str] = Counter()
        for (outcome, error_class, _), count in self.counts.items():
            if outcome == Outcome.DEFERRED.value:
                found[str(error_class)] += count
        return found

    def check_given_up(self) -> QualityReport:
        """Titles that are asked no more, since what the model gave was no answer night after night."""
        report = QualityReport(rows=sum(self.counts.values()))
        for manga_id in self.given_up:
            report.note("unanswerable", manga_id)
        return report


def outcome_facts(tables: ObjectStore, analysis: str, buckets: Sequence[str]) -> OutcomeFacts:
    counts: Counter[tuple[str, str | None, bool]] = Counter()
    given_up: list[str] = []
    for bucket in buckets:
        stored = tables.read(outcomes_key(analysis, bucket), ["manga_id", *STANDING_COLUMNS])
        if stored is None:
            continue
        found = stored.table.group_by(STANDING_COLUMNS).aggregate([([], "count_all")]).to_pylist()
        counts.update({(*(each[name] for name in STANDING_COLUMNS),): each["count_all"] for each in found})
        lost = stored.table.filter(pc.field("error_class") == ErrorClass.UNANSWERABLE.value)
        given_up += lost.column("manga_id").to_pylist()
    return OutcomeFacts(counts, given_up)


def standing(row: Mapping[str, Any]) -> str:
    """Where a title stands: its outcome, HELD_BACK or FAILED_IN_PASSING. row: STANDING_COLUMNS of it."""
    if row["error_class"] == ErrorClass.CANARY:
        return HELD_BACK
    failed_in_passing = row["outcome"] == Outcome.FAILED and row["transient"]
    return FAILED_IN_PASSING if failed_in_passing else str(row["outcome"])


def _standing(values: Sequence[Any]) -> str:
    return standing(dict(zip(STANDING_COLUMNS, values, strict=True)))


def coverage(counts: Mapping[str, int]) -> float:
    """Answered share of the titles that have enough text and wait for no canary; 1.0 when there are none."""
    able = askable(counts)
    return counts.get(Outcome.SUCCEEDED.value, 0) / able if able else 1.0


def askable(counts: Mapping[str, int]) -> int:
    """Titles that have enough text and wait for no canary."""
    return sum(counts.values()) - counts.get(Outcome.INSUFFICIENT_INPUT.value, 0) - counts.get(HELD_BACK, 0)


def outcome_summary(counts: Mapping[str, int]) -> dict[str, Any]:
    return {f"outcome_{name}": count for name, count in sorted(counts.items())}
