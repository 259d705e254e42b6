"""An import that knows most rows from the one before ends as one that knows none."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manga_enrichment.aws.s3.catalog_source import LocalCatalog
from manga_enrichment.domain.catalog.mapping import SAME_NAMES, ColumnMapping
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.pipeline.catalog.files.rows import Reading
from manga_enrichment.pipeline.catalog.importer import ImportPlan, import_catalog
from manga_enrichment.pipeline.catalog.known_rows import KnownRows
from manga_enrichment.pipeline.catalog.plausibility import PlausibleLimits
from manga_enrichment.pipeline.catalog.refresh import refresh_catalog
from manga_enrichment.pipeline.catalog.sink import CatalogTables, Following
from manga_enrichment.pipeline.catalog.source_files import read_rows
from manga_enrichment.pipeline.store.object_keys import (
    CANDIDATES_ROOT,
    catalog_state_key,
    known_rows_key,
    rejects_key,
    warnings_key,
)
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import catalog_row, title_id
from manga_enrichment_tests.fakes import FakeClock, MemoryTables
from manga_enrichment_tests.kill_switch import Killed, KillSwitch, Mortal

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
    """A store and what comes into it. knows: whether rows of the night before may be known."""

    def __init__(self, *, knows: bool = True) -> None:
        self.tables = MemoryTables()
        self.switch = KillSwitch()
        self._knows = knows
        self._clock = FakeClock()

    def night(self, path: Path, mapping: ColumnMapping = SAME_NAMES) -> str:
        """What is said of it where it is refused."""
        self._clock.advance(24 * 3600)
        if not self._knows:
            self.forget()
        try:
            refresh_catalog(
                tables=Mortal(self.tables, self.switch),
                source=LocalCatalog(str(path)),
                clock=self._clock,
                reading=Reading(mapping),
                bucket_count=BUCKETS,
                say=lambda _line: None,
                following=Following("run-1"),
                analyses=ANALYSES.values(),
                plausible=PlausibleLimits(1, 1),
            )
        except ConfigurationError as refused:
            return str(refused)
        return ""

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
            for name, value in stored[catalog_state_key()].items()
            if name not in ("imported_at", "source_version")
        }
        tables = {key: rows[1] for key, rows in stored.items() if key.startswith(CATALOG) and key.endswith(".parquet")}
        return {**counts, **tables}


def _table(body: bytes) -> tuple[Any, list[dict[str, Any]]]:
    table = pq.read_table(pa.BufferReader(body))
    return table.schema.metadata, table.to_pylist()


SOURCES = st.lists(st.sampled_from(ROWS), max_size=9)


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(sorted(WRITERS)), st.lists(SOURCES, min_size=2, max_size=4))
def test_whatever_becomes_of_the_rows_it_is_what_an_import_from_nothing_makes_of_them(
    kind: str, sources: list[list[dict[str, Any]]]
) -> None:
    one, other = Nights(), Nights(knows=False)
    with TemporaryDirectory() as folder:
        for rows in sources:
            path = WRITERS[kind](Path(folder) / f"catalog.{kind}", rows)
            assert one.night(path) == other.night(path)
            theirs = other.stored()  # an import that is refused, or of an unchanged source, keeps nothing
            mine = {key: each for key, each in one.stored().items() if key in theirs or not key.startswith(KNOWN)}
            assert mine == theirs


def titles_cleaned(tables: MemoryTables, path: Path) -> int:
    """How many rows an import cleans that knows what is stored."""
    hashed = []

    def content_hash(record: object) -> str:
        hashed.append(record)
        return "a hash"

    known = KnownRows(tables, "this test", ["0", "1"])
    sink = CatalogTables(tables, Following("run-1"), FakeClock().now(), str(path), None)
    import_catalog(read_rows(path), sink, ImportPlan(BUCKETS, content_hash, known=known))
    return len(hashed)


@pytest.mark.parametrize("kind", sorted(WRITERS))
def test_only_rows_that_changed_are_cleaned(tmp_path: Path, kind: str) -> None:
    rows = [catalog_row(number, volumes=3, isbn13="?") for number in range(20)]
    tables = MemoryTables()
    path = tmp_path / f"catalog.{kind}"
    assert titles_cleaned(tables, WRITERS[kind](path, rows)) == 20
    rows[3] = catalog_row(3, title="Another Title")
    assert titles_cleaned(tables, WRITERS[kind](path, rows[::-1])) == 1
    assert titles_cleaned(tables, WRITERS[kind](path, [*rows, *rows[:2], catalog_row(20)])) == 1


@pytest.mark.parametrize("kind", ["json", "parquet"])
def test_a_value_that_is_another_only_by_its_type_is_cleaned_again(tmp_path: Path, kind: str) -> None:
    """Both write a number with a fraction, or a date, as they write its text."""
    tables, path = MemoryTables(), tmp_path / f"catalog.{kind}"
    moments = [datetime(2026, 1, 1, tzinfo=UTC), str(datetime(2026, 1, 1, tzinfo=UTC))]
    for moment, number in zip(moments, (7.5, "7.5"), strict=True):
        values = {"parquet": {"updated_at": moment}, "json": {"volumes": number}}[kind]
        rows = [catalog_row(1, **values), catalog_row(2, **values)]
        WRITERS[kind](path, rows)
        assert titles_cleaned(tables, path) == 2
        assert titles_cleaned(tables, path) == 0


def test_a_row_that_was_cut_short_is_not_known_as_the_whole_one(tmp_path: Path) -> None:
    one, other = Nights(), Nights(knows=False)
    for end in (",", "", ","):
        (tmp_path / "catalog.csv").write_text(f"manga_id,title,type\n{title_id(1)},Harbor{end}\n{title_id(2)},Light,\n")
        assert one.night(tmp_path / "catalog.csv") == other.night(tmp_path / "catalog.csv") == ""
        warned = one.stored()[warnings_key()][1]
        assert [each["reason"] for each in warned] == ([] if end else ["short_row"])
        assert one.stored() == other.stored()


def _without_end(body: bytes) -> bytes:
    return body[:-9]


def _of_other_columns(body: bytes) -> bytes:
    table, sink = pq.read_table(pa.BufferReader(body)), pa.BufferOutputStream()
    pq.write_table(table.drop_columns(["warnings"]), sink)
    return bytes(sink.getvalue())


def _of_no_catalog(body: bytes) -> bytes:
    """Its rows are not those of the version it names."""
    table, sink = pq.read_table(pa.BufferReader(body)), pa.BufferOutputStream()
    pq.write_table(table.slice(1), sink)
    return bytes(sink.getvalue())


@pytest.mark.parametrize("damage", [_without_end, _of_other_columns, _of_no_catalog, lambda _body: b"no table", None])
def test_what_is_known_may_be_damaged_or_lost(tmp_path: Path, damage: Callable[[bytes], bytes] | None) -> None:
    one, other = Nights(), Nights(knows=False)
    for number in range(3):
        path = json_lines(tmp_path / "catalog.jsonl", [*ROWS, catalog_row(9, title=f"Night {number}")])
        for bucket in ("0", "1") if number == 1 else ():
            body = one.tables.objects.pop(known_rows_key(bucket))
            if damage is not None:
                one.tables.objects[known_rows_key(bucket)] = damage(body)
        assert one.night(path) == other.night(path) == ""
        assert one.stored() == other.stored()


@pytest.mark.parametrize("bucket", ["0", "1"])
def test_what_is_known_of_another_version_of_the_catalog_is_not_believed(tmp_path: Path, bucket: str) -> None:
    one, other = Nights(), Nights(knows=False)
    earlier: dict[str, bytes] = {}
    for number in range(3):
        changed = [catalog_row(each, title=f"Night {number % 2}") for each in range(4, 12)]
        path = json_lines(tmp_path / "catalog.jsonl", [*ROWS, *changed])
        if number == 1:
            earlier = dict(one.tables.objects)
        if number == 2:
            assert one.tables.objects[known_rows_key(bucket)] != earlier[known_rows_key(bucket)]
            one.tables.objects[known_rows_key(bucket)] = earlier[known_rows_key(bucket)]
        assert one.night(path) == other.night(path) == ""
        assert one.stored() == other.stored()


def test_another_mapping_makes_something_else_of_the_same_rows(tmp_path: Path) -> None:
    one, other = Nights(), Nights(knows=False)
    path = json_lines(tmp_path / "catalog.jsonl", ROWS)
    for entries in ({}, {"type": {"const": "manga"}}, {}):
        mapping = ColumnMapping.from_json(entries)
        assert one.night(path, mapping) == other.night(path, mapping) == ""
        assert one.stored() == other.stored()


def test_an_import_killed_at_any_write_is_done_again_and_ends_the_same(tmp_path: Path) -> None:
    """Also where the source has changed once more before it is."""
    path = tmp_path / "catalog.jsonl"

    def night(nights: Nights, number: int) -> None:
        nights.night(json_lines(path, [*ROWS, *(catalog_row(each, volumes=number) for each in range(4, 9))]))

    expected = Nights(knows=False)
    night(expected, 2)
    deaths = 0
    for calls in range(100):
        killed = Nights()
        night(killed, 0)
        killed.switch.arm(calls, after_effect=bool(calls % 2))
        try:
            night(killed, 1)
        except Killed:
            deaths += 1
        killed.switch.revive()
        night(killed, 2)
        assert killed.catalog() == expected.catalog()
        if deaths == calls:
            break
    assert deaths > 20
