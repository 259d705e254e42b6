"""The labels that retrieval is measured on: what ships is what was made, and recall counts what it says."""

from collections import Counter
from itertools import islice

import orjson
import pytest

from benchmarks.labels import (
    SHIPPED,
    VIEWS,
    families_of,
    interval,
    read_labels,
    read_titles,
    recalls,
    seen,
    shares_a_title_word,
)
from benchmarks.related_titles import Relation, families, strangers
from manga_enrichment.domain.catalog.records import MangaRecord

RELATIONS = read_labels(SHIPPED / "relations.jsonl")
TITLES = {record.manga_id: record for record in read_titles(SHIPPED / "titles.jsonl")}


def test_the_shipped_files_are_what_the_script_makes() -> None:
    rows, relations = families()
    assert [orjson.loads(line) for line in (SHIPPED / "titles.jsonl").read_bytes().splitlines()] == rows
    assert relations == RELATIONS


def test_there_are_enough_of_every_kind_and_language() -> None:
    kinds = Counter(relation.kind for relation in RELATIONS)
    assert len(RELATIONS) == 450
    assert min(kinds.values()) >= 30
    in_japanese = {each for each, record in TITLES.items() if record.title_ja}
    in_english = {each for each, record in TITLES.items() if record.title_en}
    ends = [{relation.manga_id, relation.related} for relation in RELATIONS]
    assert sum(not pair & in_english for pair in ends) > 75
    assert sum(not pair & in_japanese for pair in ends) > 75
    assert sum(bool(pair & in_english and pair & in_japanese) for pair in ends) > 75
    assert set().union(*ends) <= TITLES.keys()


def test_at_most_a_quarter_shares_a_title_word() -> None:
    shared = [shares_a_title_word(TITLES[each.manga_id], TITLES[each.related]) for each in RELATIONS]
    assert 0.1 < sum(shared) / len(shared) < 0.25


def test_strangers_are_titles_of_their_own() -> None:
    ids = [row["manga_id"] for row in strangers(500)]
    assert len({*ids, *TITLES}) == 500 + len(TITLES)
    assert list(strangers(500))[:20] == list(islice(strangers(20), 20))


def test_a_recall_is_the_share_of_what_a_title_is_related_to_from_both_ends() -> None:
    relations = [Relation("a", "b", "x"), Relation("a", "c", "x"), Relation("a", "gone", "x")]
    lists = {"a": ["z", "b"], "b": ["a"], "c": []}
    assert recalls(lists, relations, frozenset("abc")) == {"a": 0.5, "b": 1.0, "c": 0.0}


def test_a_family_is_all_that_hangs_together() -> None:
    family = families_of([Relation("c", "b", ""), Relation("d", "e", ""), Relation("b", "a", "")])
    assert family == {"a": "a", "b": "a", "c": "a", "d": "d", "e": "d"}


def test_an_interval_lies_around_the_mean_and_is_wider_for_fewer_families() -> None:
    many = {str(number): float(number % 2) for number in range(200)}
    low, high = interval(many, {each: each for each in many})
    assert 0.4 < low < 0.5 < high < 0.6
    wide = interval(many, {each: str(int(each) // 2 % 5 + int(each) % 2 * 5) for each in many})
    assert wide[1] - wide[0] > 2 * (high - low)


@pytest.mark.parametrize(
    ("name", "count"), [("all fields", 3), ("Japanese title alone", 2), ("English title alone", 2)]
)
def test_a_view_keeps_what_it_says_and_no_more(name: str, count: int) -> None:
    titles = [
        MangaRecord("MNG-00000001", "霧笛", title_ja="霧笛", synonyms=("muteki",), synopsis="灯台"),
        MangaRecord("MNG-00000002", "Foghorn", title_en="Foghorn", themes=("Sea",)),
        MangaRecord("MNG-00000003", "霧笛 II", title_en="Foghorn II"),
    ]
    shown = seen(titles, VIEWS[name])
    assert len(shown) == count
    if name != "all fields":
        assert all(
            record == MangaRecord(record.manga_id, record.title, title_ja=record.title_ja, title_en=record.title_en)
            for record in shown
        )
