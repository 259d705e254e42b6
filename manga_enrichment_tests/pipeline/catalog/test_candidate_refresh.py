"""Candidate lists follow the catalog, but not every breeze."""

import os
import tempfile
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

from manga_enrichment.domain.catalog.records import MangaRecord
from manga_enrichment.pipeline.catalog.candidate_refresh import CandidateReport, refresh_candidates
from manga_enrichment.pipeline.catalog.reader import read_candidates
from manga_enrichment.pipeline.store.object_keys import candidates_state_key, table_key
from manga_enrichment_tests.builders import BUCKET, put_catalog, record, title_id
from manga_enrichment_tests.fakes import MemoryTables

THEMES = ("baseball", "cooking", "detectives", "dragons", "music")


def titles(count: int) -> list[MangaRecord]:
    return [record(number, themes=(THEMES[number % len(THEMES)],)) for number in range(count)]


def refresh_to(
    tables: MemoryTables, version: str, say: Callable[[str], None], *, limit: int = 20
) -> list[CandidateReport]:
    return refresh_candidates(
        tables=tables, buckets=[BUCKET], all_buckets=[BUCKET], catalog_version=version, say=say, limit=limit
    )


def refresh(tables: MemoryTables, records: Sequence[MangaRecord], said: list[str] | None = None) -> CandidateReport:
    """Store the catalog (not its candidates) and refresh the lists as of a new catalog version."""
    stored = tables.objects.get(table_key("similar_candidates", BUCKET))
    put_catalog(tables, records)
    del tables.objects[table_key("similar_candidates", BUCKET)]
    if stored is not None:
        tables.objects[table_key("similar_candidates", BUCKET)] = stored
    heard = said if said is not None else []
    (report,) = refresh_to(tables, f"test-{uuid.uuid4()}", heard.append, limit=5)
    return report


def test_every_title_gets_candidates_that_exist_and_are_not_itself() -> None:
    tables = MemoryTables()
    report = refresh(tables, titles(20))
    lists = read_candidates(tables, BUCKET)
    assert (report.titles, report.with_candidates, report.changed) == (20, 20, 20)
    assert set(lists) == {title_id(number) for number in range(20)}
    for manga_id, found in lists.items():
        named = [candidate.manga_id for candidate in found]
        assert manga_id not in named
        assert set(named) <= set(lists)
        assert len(set(named)) == len(named) <= 5


def test_an_unchanged_catalog_changes_no_list() -> None:
    tables = MemoryTables()
    refresh(tables, titles(20))
    before = read_candidates(tables, BUCKET)
    assert refresh(tables, titles(20)).changed == 0
    assert read_candidates(tables, BUCKET) == before


def test_a_list_that_names_a_title_that_left_is_made_anew() -> None:
    tables = MemoryTables()
    refresh(tables, titles(20))
    gone = read_candidates(tables, BUCKET)[title_id(0)][0].manga_id
    refresh(tables, [title for title in titles(20) if title.manga_id != gone])
    named = {each.manga_id for found in read_candidates(tables, BUCKET).values() for each in found}
    assert gone not in named


def test_the_index_of_a_catalog_version_is_built_once() -> None:
    tables = MemoryTables()
    put_catalog(tables, titles(5))
    version = f"test-{uuid.uuid4()}"
    said: list[str] = []
    for bucket_limit in (5, 6):
        refresh_to(tables, version, said.append, limit=bucket_limit)
    assert said.count("indexing the whole catalog for candidate search") == 1


def test_lists_drawn_from_this_very_catalog_are_not_drawn_again() -> None:
    tables = MemoryTables()
    put_catalog(tables, titles(8))
    del tables.objects[table_key("similar_candidates", BUCKET)]
    version = f"test-{uuid.uuid4()}"
    (first,) = refresh_to(tables, version, lambda _line: None)
    before = dict(tables.objects)
    tables.objects[table_key("catalog", BUCKET)] = b"never read"
    (again,) = refresh_to(tables, version, lambda _line: None)
    assert (again.titles, again.with_candidates, again.changed) == (first.titles, first.with_candidates, 0)
    assert tables.objects[table_key("similar_candidates", BUCKET)] == before[table_key("similar_candidates", BUCKET)]


def test_a_refresh_that_was_killed_before_its_state_is_done_again() -> None:
    tables = MemoryTables()
    put_catalog(tables, titles(8))
    version = f"test-{uuid.uuid4()}"
    refresh_to(tables, version, lambda _line: None)
    del tables.objects[candidates_state_key(BUCKET)]
    said: list[str] = []
    refresh_to(tables, version, said.append)
    assert said == [f"bucket {BUCKET}: 0 of 8 candidate lists changed"]


def index_folder(version: str) -> Path:
    return Path(tempfile.gettempdir()) / "manga-enrichment-index" / version


def run_version(version: str) -> list[str]:
    tables = MemoryTables()
    put_catalog(tables, titles(5))
    said: list[str] = []
    refresh_to(tables, version, said.append)
    return said


def test_runs_of_other_catalogs_on_this_machine_keep_their_indexes() -> None:
    """Theirs may be in use, or half built, right now."""
    first, second, unfinished = (f"test-{uuid.uuid4()}" for _ in range(3))
    run_version(first)
    index_folder(unfinished).mkdir()
    run_version(second)
    assert index_folder(first).exists()
    assert index_folder(unfinished).exists()


def test_an_index_that_nobody_used_for_a_day_is_deleted() -> None:
    first, second = (f"test-{uuid.uuid4()}" for _ in range(2))
    run_version(first)
    day_before_yesterday = index_folder(first).stat().st_mtime - 2 * 86_400
    os.utime(index_folder(first), (day_before_yesterday, day_before_yesterday))
    run_version(second)
    assert not index_folder(first).exists()


def test_an_index_that_cannot_be_read_is_built_again() -> None:
    version = f"test-{uuid.uuid4()}"
    run_version(version)
    for path in index_folder(version).iterdir():
        path.unlink()
    assert "indexing the whole catalog for candidate search" in run_version(version)
    assert "indexing the whole catalog for candidate search" not in run_version(version)


def test_a_catalog_of_one_title_has_no_candidates() -> None:
    tables = MemoryTables()
    assert refresh(tables, titles(1)).with_candidates == 0
    assert read_candidates(tables, BUCKET) == {title_id(0): ()}
