"""An index brought up to date is nearly the one that a build of today would make, and its scores are exact."""

import random
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from manga_enrichment.domain.catalog.records import MangaRecord
from manga_enrichment.pipeline.candidates.index import build_index
from manga_enrichment.pipeline.candidates.lists import SHOWN, STORED, Lists, write_lists
from manga_enrichment.pipeline.candidates.matrix import NO_TITLE, Matrix
from manga_enrichment.pipeline.candidates.method import METHOD
from manga_enrichment.pipeline.candidates.pairs import Search
from manga_enrichment.pipeline.candidates.updating import PLACES_AT_ONCE, alike_long
from manga_enrichment_tests.builders import BUCKET, put_catalog
from manga_enrichment_tests.fakes import MemoryTables
from manga_enrichment_tests.pipeline.candidates.catalogs import numbers, record

THEMES = ("baseball", "cooking", "detectives", "dragons", "music")


def title(number: int, rng: random.Random) -> MangaRecord:
    words = "".join(rng.choices(["ka", "ri", "mo", "ten", "sha", "lu", "bel", "dor", "nim", "vun"], k=4)).capitalize()
    return record(number, words, themes=tuple(rng.sample(THEMES, 2)), synopsis=" ".join(rng.choices(words, k=9)))


def titles(count: int, seed: int = 1) -> list[MangaRecord]:
    rng = random.Random(seed)
    return [title(number, rng) for number in range(count)]


def indexed(records: Sequence[MangaRecord], folder: Path, earlier: Lists | None = None) -> Lists:
    tables = MemoryTables()
    put_catalog(tables, records)
    return build_index(tables, [BUCKET], folder, {}, earlier)


def updates(lists: Lists) -> int:
    return int(lists.matrix.manifest["updates"])


@pytest.fixture(scope="module")
def yesterday(tmp_path_factory: pytest.TempPathFactory) -> Lists:
    return indexed(titles(300), tmp_path_factory.mktemp("index") / "yesterday")


def test_a_catalog_that_stayed_the_same_has_the_same_lists(yesterday: Lists, tmp_path: Path) -> None:
    today = indexed(titles(300), tmp_path / "today", yesterday)
    assert updates(today) == 1
    assert np.array_equal(today.members, yesterday.members)
    assert np.array_equal(today.scores, yesterday.scores)


def test_a_new_sequel_and_its_first_part_find_each_other(yesterday: Lists, tmp_path: Path) -> None:
    """Also by words that no title had before, or one alone."""
    first = titles(300)[7]
    sequel = record(900, f"{first.title} Xyqqz")
    third = record(901, "Xyqqz")
    today = indexed([*titles(300), sequel, third], tmp_path / "today", yesterday)
    assert updates(today) == 1
    assert 900 in numbers(today, first)[:3]
    assert numbers(today, sequel)[0] in {7, 901}
    assert numbers(today, third)[0] == 900


def test_a_title_that_left_is_in_no_list(yesterday: Lists, tmp_path: Path) -> None:
    today = indexed(titles(300)[5:], tmp_path / "today", yesterday)
    named = {number for of in titles(300)[5:] for number in numbers(today, of)}
    assert updates(today) == 1
    assert named
    assert not named & set(range(5))
    assert all(len(numbers(today, of)) == 20 for of in titles(300)[5:])


def test_a_title_that_became_another_leaves_lists_and_enters_others(yesterday: Lists, tmp_path: Path) -> None:
    before, model = titles(300)[3], titles(300)[150]
    changed = replace(model, manga_id=before.manga_id, title=f"{model.title} 2")
    todays = [changed if each.manga_id == before.manga_id else each for each in titles(300)]
    today = indexed(todays, tmp_path / "today", yesterday)
    assert updates(today) == 1
    assert numbers(today, model)[0] == 3
    assert numbers(today, changed)[0] == 150
    was_in = [of for of in todays if 3 in numbers(yesterday, of)]
    assert len(was_in) > sum(3 in numbers(today, of) for of in was_in)


def test_so_much_change_is_built_anew(yesterday: Lists, tmp_path: Path) -> None:
    today = indexed(
        [*titles(300)[:200], *(replace(each, title="x") for each in titles(300)[200:])], tmp_path / "a", yesterday
    )
    assert updates(today) == 0
    assert updates(indexed(titles(300), tmp_path / "b", None)) == 0


def test_what_a_model_is_shown_stays_the_best_however_many_nights_lists_lose_some(
    yesterday: Lists, tmp_path: Path
) -> None:
    """Night after night lists lose titles of their reserve, and new ones come of which few belong into them."""
    rng = random.Random(4)
    catalog, lists = titles(300), yesterday
    for night in range(12):
        catalog = [*catalog[9:], *(title(1_000 + 9 * night + each, rng) for each in range(9))]
        lists = indexed(catalog, tmp_path / str(night), lists)
    assert updates(lists) == 12
    best = searched_anew(lists, tmp_path / "anew")
    old = lists.matrix.rows_of(pa.array([each.manga_id for each in titles(300)[108:]]))
    assert len(old) == 192
    assert np.array_equal(lists.scores[old, :SHOWN], best.scores[old, :SHOWN])


def test_below_its_floor_nothing_enters_a_list_that_lost_some(yesterday: Lists, tmp_path: Path) -> None:
    """What came before, and is as much alike, would otherwise be passed over."""
    of = titles(300)[299]
    floor = yesterday.scores[yesterday.matrix.rows_of(pa.array([of.manga_id]))[0], -1]
    left = set(numbers(yesterday, of, STORED)[:3])
    like = record(900, "Qwxz", themes=of.themes[:1])
    catalog = [each for each in titles(300) if int(each.manga_id[4:]) not in left]
    today = indexed([*catalog, like], tmp_path / "1", yesterday)
    [row] = today.matrix.rows_of(pa.array([of.manga_id]))
    score = Search(today.matrix, METHOD).scores(np.array([row]), today.matrix.rows_of(pa.array([like.manga_id])))
    assert 0 < score[0] < floor
    for night, lists in enumerate((today, indexed([*catalog, like], tmp_path / "2", today))):
        assert 900 not in numbers(lists, of, STORED), night
        assert len(numbers(lists, of, STORED)) == STORED - 3
        assert lists.scores[row, -1] == floor


def searched_anew(lists: Lists, folder: Path) -> Lists:
    """The lists of the same titles with the same weights, had all been searched for today."""
    shutil.copytree(lists.matrix.folder, folder)
    return write_lists(Matrix(folder), METHOD)


@pytest.mark.slow
def test_ten_nights_stay_close_to_a_build_of_the_last(tmp_path: Path) -> None:
    rng = random.Random(3)
    catalog = titles(400)
    lists = indexed(catalog, tmp_path / "0")
    for night in range(1, 11):
        for _ in range(3):
            at = rng.randrange(len(catalog))
            catalog[at] = replace(title(0, rng), manga_id=catalog[at].manga_id)
        catalog = [*catalog[1:], title(1_000 + night, rng)]
        lists = indexed(catalog, tmp_path / str(night), lists)
    anew = indexed(catalog, tmp_path / "anew")
    assert updates(lists) == 10
    overlaps = [len({*numbers(lists, of)} & {*numbers(anew, of)}) / len(numbers(anew, of)) for of in catalog]
    assert sum(overlaps) / len(overlaps) > 0.95


CHANGES = st.lists(st.tuples(st.integers(0, 59), st.sampled_from(["gone", "new", "other", "like"])), max_size=10)


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=CHANGES, seed=st.integers(0, 5))
def test_after_any_change_each_list_holds_titles_of_today_with_their_exact_scores(
    changes: list[tuple[int, str]], seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    rng = random.Random(seed)
    folder = tmp_path_factory.mktemp("changes")
    catalog = {each.manga_id: each for each in titles(60)}
    before = indexed(list(catalog.values()), folder / "before")
    for number, what in changes:
        manga_id = record(number, "").manga_id
        if what == "gone":
            catalog.pop(manga_id, None)
        elif what == "new":
            catalog[record(100 + number, "").manga_id] = title(100 + number, rng)
        else:
            like = title(number, rng) if what == "other" else rng.choice(list(catalog.values()))
            catalog[manga_id] = replace(like, manga_id=manga_id, title=f"{like.title} II")
    after = indexed(list(catalog.values()), folder / "after", before)
    assert {after.matrix.manga_id(row) for row in range(len(after.matrix))} == set(catalog)
    rows, places = np.nonzero(after.members != NO_TITLE)
    members, scores = after.members[rows, places], after.scores[rows, places]
    found = scores > 0
    exact = Search(after.matrix, METHOD).scores(rows[found], members[found])
    assert np.abs(exact - scores[found].astype(int)).max(initial=0) <= 1
    assert not np.any(rows == members)
    for of in catalog.values():
        named = numbers(after, of)
        assert len(named) == len(set(named))
    assert (np.diff(np.where(after.members == NO_TITLE, -1, after.scores.astype(int)), axis=1) <= 0).all()


@given(st.lists(st.integers(0, 40) | st.integers(0, 1_000_000), max_size=300))
def test_lists_that_many_titles_enter_are_put_in_order_few_at_a_time(entering: list[int]) -> None:
    parts = list(alike_long(np.array(entering, np.int64)))
    assert sorted(place for part in parts for place in part.tolist()) == list(range(len(entering)))
    for part in parts:
        assert (np.diff(part) > 0).all()
        longest = STORED + max(entering[place] for place in part)
        assert len(part) == 1 or len(part) * longest <= PLACES_AT_ONCE


def test_as_many_lists_as_there_are_come_in_parts() -> None:
    parts = list(alike_long(np.full(50_000, 2)))
    assert [len(part) for part in parts] == [13_333, 13_333, 13_333, 10_001]
