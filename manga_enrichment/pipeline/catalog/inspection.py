"""What would become of a source, without storing anything.

Belongs here: counts by field, a few rows as they would come out, what was lost with an example each. Stays out:
importing (`importer.py`), guessing a mapping (`guessing.py`), showing it (`manga_enrichment/cli/catalog.py`).
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from manga_enrichment.domain.analyses import packaged_analyses
from manga_enrichment.domain.catalog.mapping import FIELD_NAMES, ColumnMapping
from manga_enrichment.domain.catalog.rows import RejectedRow
from manga_enrichment.domain.prompts.fingerprint import content_hash
from manga_enrichment.pipeline.catalog.files.rows import SourceRow
from manga_enrichment.pipeline.catalog.importer import ImportPlan, ImportReport, import_catalog
from manga_enrichment.pipeline.catalog.plausibility import (
    ImplausibleCatalogError,
    ImportCounts,
    PlausibleLimits,
    check_plausible,
)

_BUCKETS = 64
_SHOWN_ROWS = 10
_ANYTHING = PlausibleLimits(1, 1)


@dataclass(slots=True)
class Inspection:
    """filled: field -> titles with a value; shown: rows as they would come out; examples: kind of warning -> raw value.

    refused: the sentence an import would end with, "" when it would not.
    """

    report: ImportReport
    filled: Mapping[str, int]
    shown: list[dict[str, Any]]
    examples: Mapping[str, str]
    rejects: list[dict[str, Any]]
    refused: str = ""


@dataclass(slots=True)
class _Looking:
    """CatalogSink that keeps little."""

    filled: Counter[str] = field(default_factory=Counter)
    shown: list[dict[str, Any]] = field(default_factory=list)
    rejects: list[dict[str, Any]] = field(default_factory=list)
    examples: dict[str, str] = field(default_factory=dict)

    def begin(self, _rejected: Mapping[str, str]) -> None:
        pass

    def put_bucket(self, _bucket: str, parts: Iterable[pa.Table]) -> str:
        for table in parts:
            for name in FIELD_NAMES:
                column = table.column(name)
                is_list = pa.types.is_list(column.type)
                full = pc.greater(pc.list_value_length(column), 0) if is_list else column.is_valid()
                self.filled[name] += pc.sum(full).as_py() or 0
            missing = _SHOWN_ROWS - len(self.shown)
            if missing > 0:
                self.shown += table.select(list(FIELD_NAMES)).slice(0, missing).to_pylist()
        return ""

    def put_rejects(self, parts: Iterable[pa.Table]) -> None:
        rows = (row for table in parts for row in table.slice(0, _SHOWN_ROWS).to_pylist())
        self.rejects = list(islice(rows, _SHOWN_ROWS))

    def put_warnings(self, parts: Iterable[pa.Table]) -> None:
        for table in parts:
            for row in table.select(["reason", "field", "raw_value"]).to_pylist():
                self.examples.setdefault(f"{row['reason']}_{row['field']}", row["raw_value"])


def inspect_rows(
    rows: Iterable[SourceRow | RejectedRow], mapping: ColumnMapping, limits: PlausibleLimits, titles_before: int = 0
) -> Inspection:
    """Raises ConfigurationError as an import does, for a source without any usable title for example."""
    looking = _Looking()
    plan = ImportPlan(_BUCKETS, content_hash(packaged_analyses().of_titles.values()), mapping, plausible=_ANYTHING)
    report = import_catalog(rows, looking, plan)
    found = Inspection(report, looking.filled, looking.shown, looking.examples, looking.rejects)
    try:
        check_plausible(ImportCounts(report.rows_read, report.rejected, report.titles, titles_before), limits)
    except ImplausibleCatalogError as error:
        found.refused = str(error)
    return found
