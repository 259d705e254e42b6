"""Imports of one store night by night, and files of several kinds with the same rows.

Belongs here: what the tests of rows that the night before had, too, do it with. Stays out: those tests.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from manga_enrichment.aws.s3.catalog_source import LocalCatalog
from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.catalog.mapping import ColumnMapping
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.pipeline.catalog.files.rows import DEFAULT_READING, Reading
from manga_enrichment.pipeline.catalog.plausibility import PlausibleLimits
from manga_enrichment.pipeline.catalog.refresh import refresh_catalog
from manga_enrichment.pipeline.catalog.sink import Following
from manga_enrichment.pipeline.store.object_keys import (
    CANDIDATES_ROOT,
    catalog_state_key,
    rejects_key,
    warnings_key,
)
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import catalog_row
from manga_enrichment_tests.fakes import FakeClock, MemoryTables
from manga_enrichment_tests.kill_switch import KillSwitch, Mortal

BUCKETS = 2
KNOWN = f"{CANDIDATES_ROOT}/known_rows/"
CATALOG = ("enrichment/catalog/", rejects_key(), warnings_key())
ROWS: list[dict[str, Any]] = [
    *(catalog_row(number) for number in range(4)),
    catalog_row(1, isbn13="", volumes=""),  # CSV: the first but one, not cut short
    catalog_row(1, title="Harbor &amp; Light", synopsis="A ship. (Source: a shop)", volumes="?"),
    catalog_row(2, title="older", updated_at="2011-01-01"),
    catalog_row(2, title="newer", updated_at="2031-01-01"),
    catalog_row(3, title="as new", updated_at="2031-01-01T09:00:00+09:00"),
    catalog_row(3, title=""),
    catalog_row(3, isbn13="978", themes=["a", "a", "-"]),
    catalog_row(4, volumes=7, synopsis="\ud83d"),
    {"title": "no id"},
]
"""Ids, moments and titles meet; some rows are no titles, some have things told of them."""


def json_lines(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    lines = [json.dumps(row) for row in rows]
    path.write_text("\n".join([*lines, '{"broken": ', ""]))
    return path


def json_document(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    path.write_text(json.dumps(rows))
    return path


def csv(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """Rows without a volume are cut short."""
    names = ("manga_id", "title", "updated_at", "isbn13", "volumes")
    lines = [",".join(str(row[name]) for name in names if row.get(name) is not None) for row in rows]
    path.write_text("\n".join([",".join(names), *lines, ""]))
    return path


def parquet(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    names = ("manga_id", "title", "updated_at", "isbn13")
    pq.write_table(pa.Table.from_pylist([{name: row.get(name) for name in names} for row in rows]), path)
    return path


WRITERS: dict[str, Callable[[Path, Sequence[dict[str, Any]]], Path]] = {
    "jsonl": json_lines,
    "json": json_document,
    "csv": csv,
    "parquet": parquet,
}


class Nights:
    """A store and what comes into it. knows: whether rows of the night before may be known.

    cleaned: how many rows of the last night; said: what it said.
    """

    def __init__(self, *, knows: bool = True) -> None:
        self.tables = MemoryTables()
        self.switch = KillSwitch()
        self._knows = knows
        self._clock = FakeClock()
        self.cleaned = 0
        self.said: list[str] = []

    def night(
        self,
        path: Path,
        reading: Reading = DEFAULT_READING,
        buckets: int = BUCKETS,
        analyses: Collection[AnalysisType] = ANALYSES.values(),
    ) -> str:
        """What is said of it where it is refused."""
        self._clock.advance(24 * 3600)
        self.cleaned = 0
        self.said.clear()
        if not self._knows:
            self.forget()
        try:
            refresh_catalog(
                tables=Mortal(self.tables, self.switch),
                source=LocalCatalog(str(path)),
                clock=self._clock,
                reading=replace(reading, mapping=self._counting(reading.mapping)),
                bucket_count=buckets,
                say=self.said.append,
                following=Following("run-1"),
                analyses=analyses,
                plausible=PlausibleLimits(1, 1),
            )
        except ConfigurationError as refused:
            return str(refused)
        return ""

    def _counting(self, mapping: ColumnMapping) -> ColumnMapping:
        """The same, that looks for the status of a title in another way."""

        def status(row: Mapping[str, Any]) -> Any:
            self.cleaned += 1
            return row.get("status")

        others = [each for each in mapping.optional if each[0] != "status"]
        return replace(mapping, optional=(*others, ("status", "", status)))

    def forget(self) -> None:
        for key in self.tables.list_keys(KNOWN):
            self.tables.delete(key)

    def stored(self) -> dict[str, Any]:
        """Every object as what it says."""
        return {
            key: json.loads(body) if key.endswith(".json") else _table(body)
            for key, body in self.tables.objects.items()
        }

    def catalog(self) -> dict[str, Any]:
        """Rows alone, and what was counted, for who came to them by other ways."""
        stored = self.stored()
        counts = {
            name: value
            for name, value in stored.get(catalog_state_key(), {}).items()
            if name not in ("imported_at", "source_version")
        }
        tables = {key: rows[1] for key, rows in stored.items() if key.startswith(CATALOG) and key.endswith(".parquet")}
        return {**counts, **tables}


def _table(body: bytes) -> tuple[Any, list[dict[str, Any]]]:
    table = pq.read_table(pa.BufferReader(body))
    return table.schema.metadata, table.to_pylist()
