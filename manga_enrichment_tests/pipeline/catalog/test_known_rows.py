"""An import that knows most rows from the one before ends as one that knows none."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manga_enrichment.domain.catalog.mapping import ColumnMapping
from manga_enrichment.gateways.errors import StoreUnavailableError
from manga_enrichment.pipeline.catalog.files.rows import Reading
from manga_enrichment.pipeline.catalog.importer import ImportPlan, import_catalog
from manga_enrichment.pipeline.catalog.known_rows import KnownRows
from manga_enrichment.pipeline.catalog.sink import CatalogTables, Following
from manga_enrichment.pipeline.catalog.source_files import read_files
from manga_enrichment.pipeline.catalog.spill import DEFAULT_LIMITS, SPILL_SCHEMA, SpillLimits
from manga_enrichment.pipeline.store.object_keys import catalog_state_key, known_rows_key, warnings_key
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import catalog_row, title_id
from manga_enrichment_tests.fakes import FakeClock, MemoryTables
from manga_enrichment_tests.kill_switch import Behind, Killed, Outage
from manga_enrichment_tests.pipeline.catalog.nights import BUCKETS, KNOWN, ROWS, WRITERS, Nights, json_lines

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


def titles_cleaned(tables: MemoryTables, *paths: Path, limits: SpillLimits = DEFAULT_LIMITS) -> int:
    """How many rows an import cleans that knows what is stored."""
    hashed = []

    def content_hash(record: object) -> str:
        hashed.append(record)
        return "a hash"

    known = KnownRows(tables, "this test", ["0", "1"])
    sink = CatalogTables(tables, Following("run-1"), FakeClock().now(), "source", None)
    rows = read_files(paths, uri="source")
    import_catalog(rows, sink, ImportPlan(BUCKETS, content_hash, limits=limits, known=known))
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


def test_rows_are_known_over_slices_and_files_and_more_than_are_looked_up_at_once(tmp_path: Path) -> None:
    one, other = Nights(), Nights()
    paths = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    rows = [catalog_row(number, volumes="?" if number % 7 else 7) for number in range(2100)]
    limits = SpillLimits(batch_rows=100, flush_rows=500, slice_bytes=20_000)
    for cut in (700, 1500):
        json_lines(paths[0], [*rows[cut:], rows[0]])  # this one twice
        json_lines(paths[1], rows[:cut])
        assert sum(path.stat().st_size for path in paths) > 20 * BUCKETS * limits.slice_bytes
        other.forget()
        cleaned = titles_cleaned(other.tables, *paths)
        assert titles_cleaned(one.tables, *paths, limits=limits) == (cleaned if cut == 700 else 22)
        assert one.catalog() == other.catalog()
        rows[::100] = [catalog_row(number, title=f"Another Title {number}") for number in range(0, 2100, 100)]


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


@pytest.mark.parametrize("ends", [",", ""])
def test_a_row_that_was_cut_short_is_not_known_as_the_whole_one(tmp_path: Path, ends: str) -> None:
    one, other = Nights(), Nights(knows=False)
    for number, end in enumerate((ends, "" if ends else ",", ends)):
        (tmp_path / "catalog.csv").write_text(f"manga_id,title,type\n{title_id(1)},Harbor{end}\n{title_id(2)},Light,\n")
        assert one.night(tmp_path / "catalog.csv") == other.night(tmp_path / "catalog.csv") == ""
        warned = one.stored()[warnings_key()][1]
        assert [each["reason"] for each in warned] == ([] if end else ["short_row"])
        assert one.cleaned == (1 if number else 2)
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
    pq.write_table(pa.concat_tables([table.slice(0, 1), table.slice(2)]), sink)
    return bytes(sink.getvalue())


def _with_broken_pages(body: bytes) -> bytes:
    return body[:4] + 56 * b"\xff" + body[60:]


def _with_a_broken_column(body: bytes) -> bytes:
    """Which is read when the buckets before are stored, and not sooner."""
    groups = pq.ParquetFile(pa.BufferReader(body)).metadata.row_group(0)
    columns = {groups.column(index).path_in_schema: groups.column(index) for index in range(groups.num_columns)}
    start, size_bytes = (int(getattr(columns["row_digest"], n)) for n in ("data_page_offset", "total_compressed_size"))
    return body[:start] + size_bytes * b"\xff" + body[start + size_bytes :]


DAMAGES = [
    _without_end,
    _of_other_columns,
    _of_no_catalog,
    _with_broken_pages,
    _with_a_broken_column,
    lambda _body: b"no table",
    None,
]


@pytest.mark.parametrize("damage", DAMAGES)
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
        is_found_late = number == 1 and damage in (_of_no_catalog, _with_a_broken_column)
        assert any("all are read again" in line for line in one.said) == is_found_late


def test_a_store_that_is_away_is_not_taken_for_damage(tmp_path: Path) -> None:
    tables, outage = MemoryTables(), Outage()
    titles_cleaned(tables, json_lines(tmp_path / "catalog.jsonl", ROWS))
    outage.begin()
    with pytest.raises(StoreUnavailableError):
        KnownRows(Behind(tables, outage), "this test", ["0", "1"])
    outage.end()
    known = KnownRows(Behind(tables, outage), "this test", ["0", "1"])
    outage.begin()
    a_row = pa.Table.from_pylist([{"manga_id": title_id(1), "is_known": True}], SPILL_SCHEMA)
    with pytest.raises(StoreUnavailableError):
        list(known.filled("0", [a_row]))


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


def _another_release(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is installed says that it is another."""
    about = folder / "manga_enrichment-99.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: manga-enrichment\nVersion: 99\n")
    monkeypatch.syspath_prepend(folder)


OTHERS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "release": {},
    "mapping": {"reading": Reading(ColumnMapping.from_json({"type": {"const": "manga"}}))},
    "encoding": {"reading": Reading(encoding="utf-8")},
    "fields": {"analyses": [replace(ANALYSES["reading_level"], fields=("title",))]},
}


@pytest.mark.parametrize("other", sorted(OTHERS))
def test_all_rows_are_cleaned_where_something_else_would_be_made_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    one, nothing_known = Nights(), Nights(knows=False)
    rows = [catalog_row(number, volumes="?") for number in range(20)]
    for night, (what, cleaned) in enumerate([("nothing", 20), (other, 1 if other == "nothing" else 20), (other, 1)]):
        if night == 1 and other == "release":
            _another_release(tmp_path, monkeypatch)
        rows[night] = catalog_row(night, title="Another Title")
        path = json_lines(tmp_path / "catalog.jsonl", rows)
        assert one.night(path, **OTHERS[what]) == nothing_known.night(path, **OTHERS[what]) == ""
        assert one.cleaned == cleaned
        assert one.stored() == nothing_known.stored()


def test_an_import_killed_at_any_write_is_done_again_and_ends_the_same(tmp_path: Path) -> None:
    """Also where the source has changed once more before it is."""
    path = tmp_path / "catalog.jsonl"

    def night(nights: Nights, number: int) -> None:
        nights.night(json_lines(path, [*ROWS, *(catalog_row(each, volumes=number) for each in range(4, 9))]))

    expected = Nights(knows=False)
    night(expected, 2)
    deaths = knew = 0
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
        knew += killed.cleaned < expected.cleaned
        if deaths == calls:
            break
    assert deaths > 20
    assert knew > deaths / 2


def test_buckets_of_an_import_that_was_killed_are_not_those_of_another_count(tmp_path: Path) -> None:
    """Before the first import has ended any count may be set."""
    path = json_lines(tmp_path / "catalog.jsonl", [catalog_row(number) for number in range(40)])
    expected = Nights()
    expected.night(path, buckets=4)
    kept = 0
    for calls in range(100):
        killed = Nights()
        killed.switch.arm(calls, after_effect=bool(calls % 2))
        with suppress(Killed):
            killed.night(path)
        killed.switch.revive()
        if catalog_state_key() in killed.tables.objects:
            break
        kept += bool(killed.tables.list_keys(KNOWN))
        assert killed.night(path, buckets=4) == ""
        assert killed.catalog() == expected.catalog()
    assert kept > 5


def _deep(number: int, value: str) -> str:
    """A row as JSON with a value that nothing but a reader goes through."""
    return json.dumps(catalog_row(number))[:-1] + f', "x": {20_000 * "["}{value}{20_000 * "]"}}}'


def test_rows_nested_too_deep_to_be_told_apart_are_cleaned_each_night(tmp_path: Path) -> None:
    one, path = Nights(), tmp_path / "catalog.json"
    for number, value in enumerate(("", "1", "2")):
        good = json.dumps(catalog_row(3, title=f"Night {number % 2}"))
        path.write_text(f"[{_deep(1, value)}, {good}, {_deep(2, value)}, {json.dumps(catalog_row(4))}]")
        assert one.night(path) == ""
        assert one.cleaned == (3 if number else 4)
        titles = [row["manga_id"] for key, rows in one.catalog().items() if "/catalog/" in key for row in rows]
        assert sorted(titles) == sorted(map(title_id, range(1, 5)))
