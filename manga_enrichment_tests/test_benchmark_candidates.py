"""The benchmarks of candidate lists run, and say of a small catalog what is true of it."""

from pathlib import Path

import pytest

from benchmarks.candidate_nights import ANEW, CHANGES, _drift, _end, _fetched, _refresh, _write_catalog
from benchmarks.labels import SHIPPED, read_labels, read_titles, recalls
from benchmarks.report import Row
from benchmarks.retrieval import drawn
from manga_enrichment.pipeline.candidates.lists import SHOWN

ROWS, BUCKETS = 200, 2


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Row]]]:
    """(their folder, what each said by what changed and by building anew), of a full build and two nights"""
    folder = tmp_path_factory.mktemp("nights")
    rows = []
    for night in range(3):
        _write_catalog(folder / "catalog", ROWS, night, BUCKETS)
        rows.append({way: _refresh(folder, way, night) for way in (CHANGES, ANEW)})
    return folder, rows


def test_each_night_replaces_some_lists_and_most_stay(nights: tuple[Path, list[dict[str, Row]]]) -> None:
    full, *others = nights[1]
    titles = len(read_titles(SHIPPED / "titles.jsonl")) + ROWS
    assert full[CHANGES] == full[ANEW] == {"titles": titles, "replaced": titles}
    for night in others:
        assert night[CHANGES]["titles"] == night[ANEW]["titles"] == titles
        assert 0 < night[CHANGES]["replaced"] < titles / 2


def test_both_ways_are_compared(nights: tuple[Path, list[dict[str, Row]]]) -> None:
    folder, _ = nights
    by_weights, anew = (_drift(folder, 2, same_weights) for same_weights in (True, False))
    assert 0.9 < anew["overlap"] <= by_weights["overlap"] <= 1
    assert by_weights["alike"] == pytest.approx(by_weights["alike_anew"], rel=0.01)
    assert 0 <= by_weights["replaced_share"] <= anew["replaced_share"] < 0.1
    for way in (CHANGES, ANEW):
        end = _end(folder, way)
        assert end["recall"] > 0.9
        assert 0.0001 < end["usd_an_answer"] < 0.001
    assert 0 < _fetched(folder, 2)["packed"] < _fetched(folder, 2)["bytes_a_title"]


def test_retrieval_draws_a_list_for_each_title_that_labels_are_of() -> None:
    relations, catalog = read_labels(SHIPPED / "relations.jsonl"), read_titles(SHIPPED / "titles.jsonl")
    ids = frozenset(record.manga_id for record in catalog)
    queries = sorted(recalls({}, relations, ids))
    found = drawn(catalog, queries)
    assert set(found.lists) == set(queries)
    assert all(0 < len(each) <= SHOWN and of not in each for of, each in found.lists.items())
    recall = recalls(found.lists, relations, ids)
    assert sum(recall.values()) / len(recall) > 0.9
