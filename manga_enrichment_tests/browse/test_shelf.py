"""What pages are made from follows the tables, and is not made anew more often than it can be afforded."""

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from manga_enrichment.browse.index_worker import built_apart
from manga_enrichment.browse.server import keep_fresh
from manga_enrichment.browse.shelf import REST_RATIO
from manga_enrichment.browse.tables import connect, view_statements
from manga_enrichment.domain.catalog.records import MangaRecord
from manga_enrichment.pipeline.changes.replace import Origin
from manga_enrichment.pipeline.enrichment.wide_table import write_enriched
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.browse_world import NAMES, PUBLISHED, Site, put_on_disk
from manga_enrichment_tests.builders import BUCKET, bare_record, put_catalog, record, title_id
from manga_enrichment_tests.fakes import START, FakeClock, MemoryTables


def stored(folder: Path, titles: Sequence[MangaRecord]) -> Path:
    tables = MemoryTables()
    put_catalog(tables, list(titles))
    write_enriched(tables, BUCKET, list(ANALYSES.values()), Origin("run-1", START))
    return put_on_disk(tables, folder)


def test_a_look_shows_what_is_new(tmp_path: Path) -> None:
    site = Site(stored(tmp_path / "tables", [record(1)]), tmp_path / "home")
    site.shelf.refresh()
    assert "1 title<" in site.get("/").text
    stored(tmp_path / "tables", [record(1), record(2)])
    site.shelf.refresh()
    assert "2 titles<" in site.get("/").text
    assert len(list((tmp_path / "home").glob("index-*"))) == 1


def test_the_index_rests_after_it_was_made(tmp_path: Path) -> None:
    clock = FakeClock()
    site = Site(stored(tmp_path / "tables", [record(1)]), tmp_path / "home", clock=clock)
    site.shelf.refresh()
    indexed = site.state
    seconds = 3.0
    site.shelf.rest(seconds)
    stored(tmp_path / "tables", [record(1), record(2)])
    site.shelf.refresh()
    assert site.state.connection is indexed.connection
    assert site.state.copy is not indexed.copy
    clock.advance(seconds * REST_RATIO)
    site.shelf.refresh()
    assert site.state.connection is not indexed.connection


def test_a_page_that_began_before_ends_as_it_began(tmp_path: Path) -> None:
    site = Site(stored(tmp_path / "tables", [record(1)]), tmp_path / "home")
    site.shelf.refresh()
    before = site.state.connection.cursor()
    stored(tmp_path / "tables", [bare_record(2)])
    site.shelf.refresh()
    assert before.execute("SELECT manga_id FROM titles").fetchall() == [(title_id(1),)]
    assert site.state.connection.execute("SELECT manga_id FROM titles").fetchall() == [(title_id(2),)]


def test_a_new_process_takes_the_index_that_is_there(tmp_path: Path) -> None:
    folder = stored(tmp_path / "tables", [record(1)])
    Site(folder, tmp_path / "home").shelf.refresh()
    [index] = (tmp_path / "home").glob("index-*.duckdb")
    made = index.stat().st_mtime_ns
    Site(folder, tmp_path / "home").shelf.refresh()
    assert index.stat().st_mtime_ns == made


def test_what_a_killed_build_left_is_taken_away(tmp_path: Path) -> None:
    site = Site(stored(tmp_path / "tables", [record(1)]), tmp_path / "home")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "index-1.abc.building").write_bytes(b"half a file")
    site.shelf.refresh()
    assert [path.suffix for path in (tmp_path / "home").glob("index-*")] == [".duckdb"]


@pytest.mark.slow
def test_an_index_is_made_in_a_process_of_its_own(tmp_path: Path) -> None:
    site = Site(stored(tmp_path / "tables", [record(1)]), tmp_path / "home")
    site.shelf.refresh()
    views = view_statements(PUBLISHED, site.state.copy)
    built_apart(tmp_path / "apart.duckdb", views, NAMES)
    with connect(memory_mb=50, threads=1, database=str(tmp_path / "apart.duckdb")) as connection:
        assert connection.execute("SELECT manga_id FROM titles").fetchall() == [(title_id(1),)]
    with pytest.raises(OSError, match=r"The lists could not be made: .*nonsense"):
        built_apart(tmp_path / "other.duckdb", ["nonsense"], NAMES)
    assert not list(tmp_path.glob("other*"))


def test_pages_stay_and_say_why_when_tables_are_away(tmp_path: Path) -> None:
    site = Site(stored(tmp_path / "tables", [record(1)]), tmp_path / "home")
    (tmp_path / "home").write_text("no folder")  # so that a look fails
    keep_fresh(site.shelf, site.browse, OneLook())
    assert "File exists" in site.get("/").text
    (tmp_path / "home").unlink()
    keep_fresh(site.shelf, site.browse, OneLook())
    assert site.browse.fault == ""
    assert site.get("/").status == 200


class OneLook(threading.Event):
    """Over when the thread would first wait."""

    def wait(self, timeout: float | None = None) -> bool:
        self.set()
        return True


@pytest.mark.parametrize("name", ["ready", "reading"])
def test_health_has_a_word_for_each_state(name: str, tmp_path: Path) -> None:
    site = Site(stored(tmp_path / "tables", [record(1)]), tmp_path / "home")
    if name == "ready":
        site.shelf.refresh()
    assert site.get("/health").text == name
