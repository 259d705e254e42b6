"""The newest index is kept open; a newer one is found in a minute, and one that is damaged done without."""

from pathlib import Path

from manga_enrichment.pipeline.candidates.open_index import LOOK_SECONDS, OpenIndex
from manga_enrichment_tests.builders import put_catalog, record
from manga_enrichment_tests.fakes import FakeClock, MemoryTables
from manga_enrichment_tests.pipeline.candidates.catalogs import shared_index


def published(tables: MemoryTables, home: Path, titles: int) -> None:
    put_catalog(tables, [record(number, themes=("chess",)) for number in range(titles)])
    shared_index(tables, home).get(f"of {titles} titles")


def test_an_index_is_opened_once_and_a_newer_one_a_minute_later(tmp_path: Path) -> None:
    clock, tables = FakeClock(), MemoryTables()
    index = OpenIndex(tables, clock, tmp_path / "here")
    assert index.asking() is None
    published(tables, tmp_path / "builder", 5)
    assert index.asking() is None
    clock.advance(LOOK_SECONDS)
    first = index.asking()
    assert first is not None
    clock.advance(LOOK_SECONDS)
    assert index.asking() is first
    published(tables, tmp_path / "builder", 6)
    clock.advance(LOOK_SECONDS)
    newer = index.asking()
    assert newer is not None
    assert len(newer.lists.matrix) == 6


def test_an_index_that_cannot_be_fetched_leaves_the_one_before_or_none(tmp_path: Path) -> None:
    clock, tables = FakeClock(), MemoryTables()
    published(tables, tmp_path / "builder", 5)
    index = OpenIndex(tables, clock, tmp_path / "here")
    first = index.asking()
    assert first is not None
    published(tables, tmp_path / "builder", 6)
    [lost] = [key for key in tables.objects if key.endswith("b/terms.0.parquet")]
    del tables.objects[lost]
    clock.advance(LOOK_SECONDS)
    assert index.asking() is first
    assert OpenIndex(tables, clock, tmp_path / "elsewhere").asking() is None
