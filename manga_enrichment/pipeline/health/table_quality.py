"""What must hold of the tables, checked row by row. Pure but for reading.

Belongs here: problems with an example each. Stays out: severities (`defs/enrichment/quality_checks.py`).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.domain.tables.columns import ListOf, StructOf
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.catalog.reader import read_ids
from manga_enrichment.pipeline.store.object_keys import outcomes_key, table_key
from manga_enrichment.pipeline.store.rows import answer_schema

_EXAMPLES = 5


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


def check_rows(tables: ObjectStore, analysis: AnalysisType, buckets: Sequence[str]) -> QualityReport:
    """Schema, unique ids, ids that exist in the catalog, values that the analysis knows."""
    report = QualityReport()
    for bucket in buckets:
        stored = tables.read(table_key(analysis.name, bucket))
        if stored is None:
            continue
        report.rows += stored.table.num_rows
        if _check_schema(report, analysis, stored.table, bucket):
            _check_ids(report, stored.table, read_ids(tables, bucket), bucket)
            _check_values(report, analysis, stored.table)
    return report


def refers_to_titles(analysis: AnalysisType) -> bool:
    """Whether rows of its table name other titles."""
    return bool(_reference_columns(analysis))


def check_references(
    tables: ObjectStore, analysis: AnalysisType, buckets: Sequence[str], all_buckets: Sequence[str]
) -> QualityReport:
    """Whether the other titles that rows of `buckets` name are in the catalog, in whichever bucket."""
    report = QualityReport()
    known = set().union(*(read_ids(tables, bucket) for bucket in all_buckets))
    columns = _reference_columns(analysis)
    for bucket in buckets:
        stored = tables.read(table_key(analysis.name, bucket), ["manga_id", *columns])
        for row in stored.table.to_pylist() if stored else ():
            report.rows += 1
            for other in (each["manga_id"] for name in columns for each in row[name] or ()):
                if other not in known:
                    report.note("dangling_id", f"{row['manga_id']} names {other}, which is not in the catalog")
    return report


def _check_schema(report: QualityReport, analysis: AnalysisType, table: pa.Table, bucket: str) -> bool:
    """Also what may be null: a file whose schema forbids it holds no null. True when it fits."""
    expected = answer_schema(analysis)
    if not table.schema.equals(expected):
        wrong = [column.name for column in expected if column not in list(table.schema)]
        there = f"{', '.join(wrong)} differ" if wrong else f"unexpected columns beside {expected.names}"
        report.note("schema", f"bucket {bucket}: {there}")
        return False
    return True


def _check_ids(report: QualityReport, table: pa.Table, catalog_ids: set[str], bucket: str) -> None:
    counts = Counter(table.column("manga_id").to_pylist())
    for manga_id, count in counts.items():
        if manga_id not in catalog_ids:
            report.note("unknown_id", f"{manga_id} is not in catalog bucket {bucket}")
        if count > 1:
            report.note("duplicate_id", f"{manga_id} has {count} rows in bucket {bucket}")


def _check_values(report: QualityReport, analysis: AnalysisType, table: pa.Table) -> None:
    owners = table.column("manga_id").to_pylist()
    for column in (column for column in analysis.columns if column.values):
        for owner, value in zip(owners, table.column(column.name).to_pylist(), strict=True):
            for each in value if isinstance(value, list) else [value]:
                if each is not None and each not in column.values:
                    report.note("unknown_value", f"{owner} has {column.name} {each!r}")


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


def count_outcomes(tables: ObjectStore, analysis: str, buckets: Sequence[str]) -> Counter[str]:
    """Titles by standing over all buckets that have an outcomes table."""
    counts: Counter[str] = Counter()
    for bucket in buckets:
        stored = tables.read(outcomes_key(analysis, bucket), STANDING_COLUMNS)
        counts.update(standing(row) for row in (stored.table.to_pylist() if stored is not None else ()))
    return counts


def standing(row: Mapping[str, Any]) -> str:
    """Where a title stands: its outcome, HELD_BACK or FAILED_IN_PASSING. row: STANDING_COLUMNS of it."""
    if row["error_class"] == ErrorClass.CANARY:
        return HELD_BACK
    failed_in_passing = row["outcome"] == Outcome.FAILED and row["transient"]
    return FAILED_IN_PASSING if failed_in_passing else str(row["outcome"])


def check_given_up(tables: ObjectStore, analysis: str, buckets: Sequence[str]) -> QualityReport:
    """Titles that are asked no more, since what the model gave was no answer night after night."""
    report = QualityReport()
    for bucket in buckets:
        stored = tables.read(outcomes_key(analysis, bucket), ["manga_id", "error_class"])
        for row in stored.table.to_pylist() if stored else ():
            report.rows += 1
            if row["error_class"] == ErrorClass.UNANSWERABLE:
                report.note("unanswerable", row["manga_id"])
    return report


def count_deferred(tables: ObjectStore, analysis: str, buckets: Sequence[str]) -> Counter[str]:
    """Titles that the next run asks for, by error class: why this one left them."""
    counts: Counter[str] = Counter()
    for bucket in buckets:
        stored = tables.read(outcomes_key(analysis, bucket), ["outcome", "error_class"])
        if stored is not None:
            left = stored.table.filter(pc.field("outcome") == Outcome.DEFERRED.value)
            counts.update(left.column("error_class").to_pylist())
    return counts


def count_missing(tables: ObjectStore, analysis: str, buckets: Sequence[str]) -> Counter[tuple[str, bool]]:
    """Titles that should have an answer and have none, by (error class, whether the next run asks again)."""
    counts: Counter[tuple[str, bool]] = Counter()
    for bucket in buckets:
        stored = tables.read(outcomes_key(analysis, bucket), STANDING_COLUMNS)
        for row in stored.table.to_pylist() if stored is not None else ():
            if row["error_class"] and standing(row) not in (HELD_BACK, Outcome.SUCCEEDED.value):
                counts[row["error_class"], row["transient"]] += 1
    return counts


def coverage(counts: Mapping[str, int]) -> float:
    """Answered share of the titles that have enough text and wait for no canary; 1.0 when there are none."""
    able = askable(counts)
    return counts.get(Outcome.SUCCEEDED.value, 0) / able if able else 1.0


def askable(counts: Mapping[str, int]) -> int:
    """Titles that have enough text and wait for no canary."""
    return sum(counts.values()) - counts.get(Outcome.INSUFFICIENT_INPUT.value, 0) - counts.get(HELD_BACK, 0)


def outcome_summary(counts: Mapping[str, int]) -> dict[str, Any]:
    return {f"outcome_{name}": count for name, count in sorted(counts.items())}
