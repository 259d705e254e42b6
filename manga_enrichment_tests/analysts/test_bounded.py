"""Queries of people who are not trusted: a process each, with an end to its time, rows and memory."""

from pathlib import Path

import pytest

from manga_enrichment.analysts.bounded import ask_bounded
from manga_enrichment.analysts.guarded import Bounds
from manga_enrichment.analysts.plain import QueryError
from manga_enrichment_tests.analysts.eventful_world import eventful_world, put_on_disk
from manga_enrichment_tests.builders import title_id

pytestmark = pytest.mark.slow

BOUNDS = Bounds(seconds=30, rows=3, memory_mb=400)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return put_on_disk(eventful_world().tables, tmp_path_factory.mktemp("tables"))


def test_a_question_is_answered_with_types_and_parameters(folder: Path) -> None:
    query = "SELECT manga_id, volumes, updated_at FROM catalog WHERE list_contains($ids, manga_id) ORDER BY manga_id"
    found = ask_bounded(folder, query, {"ids": [title_id(1), title_id(2)]}, BOUNDS)
    assert found.table.column("manga_id").to_pylist() == sorted([title_id(1), title_id(2)])
    assert [str(kind) for kind in found.table.schema.types] == ["string", "int64", "timestamp[us, tz=UTC]"]
    assert not found.is_cut


def test_more_rows_than_the_bound_are_cut_and_it_says_so(folder: Path) -> None:
    found = ask_bounded(folder, "SELECT * FROM catalog", {}, BOUNDS)
    assert (found.table.num_rows, found.is_cut) == (3, True)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT unnest(range(1000000000))", "more memory"),
        ("SELECT repeat('x', 3000000000)", "more memory"),
        ("SELECT * FROM read_text('/etc/passwd')", "cannot stand for a table"),
        ("SELECT $absent", "Give each $name"),
    ],
)
def test_what_may_not_be_is_a_sentence(folder: Path, query: str, said: str) -> None:
    with pytest.raises(QueryError) as refused:
        ask_bounded(folder, query, {}, BOUNDS)
    assert said in str(refused.value)


def test_what_takes_too_long_is_ended(folder: Path) -> None:
    endless = "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r"
    with pytest.raises(QueryError, match=r"longer than 0\.5 s"):
        ask_bounded(folder, endless, {}, Bounds(seconds=0.5, rows=3, memory_mb=400))


def test_all_three_bounds_are_needed(folder: Path) -> None:
    with pytest.raises(ValueError, match="are needed"):
        ask_bounded(folder, "SELECT 1", {}, Bounds(seconds=1))
