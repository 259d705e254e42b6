"""Candidate lists follow the catalog, but not every breeze; lists of an earlier method stay until their turn."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from manga_enrichment.domain.analyses.base import Candidate
from manga_enrichment.domain.catalog.records import MangaRecord
from manga_enrichment.domain.prompts.candidates import candidate_of
from manga_enrichment.pipeline.candidates.lists import Lists
from manga_enrichment.pipeline.candidates.refresh import CandidateReport, refresh_candidates
from manga_enrichment.pipeline.candidates.stored_lists import waiting_lists
from manga_enrichment.pipeline.candidates.tables import read_candidates
from manga_enrichment.pipeline.store.object_keys import candidates_state_key, table_key
from manga_enrichment_tests.builders import BUCKET, candidates_table, put_catalog, record, title_id
from manga_enrichment_tests.fakes import MemoryTables
from manga_enrichment_tests.pipeline.candidates.catalogs import shared_index

THEMES = ("baseball", "cooking", "detectives", "dragons", "music")
TODAY, TOMORROW = date(2026, 11, 28), date(2026, 11, 29)
INDEXING = "indexing the whole catalog for candidate search"
LISTS = table_key("similar_candidates", BUCKET)


def titles(count: int) -> list[MangaRecord]:
    return [record(number, themes=(THEMES[number % len(THEMES)],)) for number in range(count)]


class Nights:
    """One store, night after night."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.tables = MemoryTables()
        self.said: list[str] = []
        self.version = ""

    def put(self, records: Sequence[MangaRecord]) -> None:
        """A new version of the catalog; its candidate lists stay."""
        stored = self.tables.objects.get(LISTS)
        put_catalog(self.tables, records)
        del self.tables.objects[LISTS]
        if stored is not None:
            self.tables.objects[LISTS] = stored
        self.version = f"test-{uuid.uuid4()}"

    def refresh(self, *, today: date = TODAY, share: float = 0, limit: int = 5) -> CandidateReport:
        [report] = refresh_candidates(
            tables=self.tables,
            buckets=[BUCKET],
            catalog_version=self.version,
            index=self.index,
            today=today,
            share=share,
            say=self.said.append,
            limit=limit,
        )
        return report

    def index(self) -> Lists:
        return shared_index(self.tables, self.home, say=self.said.append).get(self.version)

    def lists(self) -> dict[str, list[str]]:
        found = read_candidates(self.tables, BUCKET)
        return {manga_id: [each.manga_id for each in candidates] for manga_id, candidates in found.items()}

    def put_earlier(self, lists: Mapping[int, Sequence[int]]) -> None:
        """Lists as an earlier version left them, and its note of what they were drawn from."""
        shown = {number: Candidate(title_id(number), "as it was called then") for of in lists.values() for number in of}
        rows = [(title_id(number), [shown[each] for each in of]) for number, of in lists.items()]
        self.tables.write(LISTS, candidates_table(rows))
        earlier = {"catalog_version": self.version, "retrieval_version": "1", "limit": 20}
        self.tables.write_json(candidates_state_key(BUCKET), earlier)


@pytest.fixture
def nights(tmp_path: Path) -> Nights:
    return Nights(tmp_path)


def test_every_title_gets_candidates_that_exist_and_are_not_itself(nights: Nights) -> None:
    nights.put(titles(20))
    report = nights.refresh()
    assert (report.titles, report.with_candidates, report.changed, report.waiting) == (20, 20, 20, 0)
    lists = nights.lists()
    assert set(lists) == {title_id(number) for number in range(20)}
    for manga_id, named in lists.items():
        assert manga_id not in named
        assert set(named) <= set(lists)
        assert len(set(named)) == len(named) == 5


def test_a_candidate_is_shown_as_the_catalog_has_it(nights: Nights) -> None:
    records = titles(20)
    nights.put(records)
    nights.refresh()
    shown = {each.manga_id: candidate_of(each) for each in records}
    for found in read_candidates(nights.tables, BUCKET).values():
        assert list(found) == [shown[each.manga_id] for each in found]


def test_an_unchanged_catalog_changes_no_list(nights: Nights) -> None:
    nights.put(titles(20))
    nights.refresh()
    before = nights.lists()
    nights.put(titles(20))
    assert nights.refresh().changed == 0
    assert nights.lists() == before


def test_a_list_that_names_a_title_that_left_is_made_anew(nights: Nights) -> None:
    nights.put(titles(20))
    nights.refresh()
    gone = nights.lists()[title_id(0)][0]
    nights.put([title for title in titles(20) if title.manga_id != gone])
    assert nights.refresh().changed > 0
    assert gone not in {each for found in nights.lists().values() for each in found}
    assert gone not in nights.lists()


def test_a_list_stays_while_it_misses_less_than_the_rule_says_and_goes_when_it_misses_more(nights: Nights) -> None:
    nights.put(titles(20))
    nights.refresh()
    mine = nights.lists()[title_id(0)]
    others = [title_id(number) for number in range(1, 20) if title_id(number) not in mine]
    for count, stays in ((1, True), (2, False)):
        stored = {**read_candidates(nights.tables, BUCKET)}
        stored[title_id(0)] = tuple(Candidate(each, "") for each in [*mine[count:], *others[:count]])
        nights.tables.write(LISTS, candidates_table(stored.items()))
        nights.put(titles(20))
        nights.refresh()
        assert (nights.lists()[title_id(0)] == mine) is not stays


def test_the_index_of_a_catalog_version_is_built_once_and_opened_only_if_a_list_is_due(nights: Nights) -> None:
    nights.put(titles(8))
    first = nights.refresh()
    nights.refresh(limit=6)
    assert nights.said.count(INDEXING) == 1
    before = dict(nights.tables.objects)
    nights.tables.objects[table_key("catalog", BUCKET)] = b"never read"
    again = nights.refresh(limit=6, today=TOMORROW, share=1)
    assert again == replace(first, changed=0)
    assert nights.tables.objects[LISTS] == before[LISTS]


def test_a_refresh_that_was_killed_before_its_state_is_done_again(nights: Nights) -> None:
    nights.put(titles(8))
    nights.refresh()
    del nights.tables.objects[candidates_state_key(BUCKET)]
    nights.said.clear()
    nights.refresh()
    assert nights.said == [f"bucket {BUCKET}: 0 of 8 candidate lists changed, 0 wait"]


# Lists of an earlier method

EARLIER = {number: [(number + step) % 20 for step in (1, 2, 3, 4, 6)] for number in range(20)}
"""Lists that no theme and no title explains."""


@pytest.fixture
def upgraded(nights: Nights) -> Nights:
    nights.put(titles(20))
    nights.put_earlier(EARLIER)
    return nights


def test_after_an_upgrade_no_list_moves_by_itself(upgraded: Nights) -> None:
    before = read_candidates(upgraded.tables, BUCKET)
    report = upgraded.refresh()
    assert (report.changed, report.with_candidates) == (0, 20)
    assert report.waiting > 10
    assert read_candidates(upgraded.tables, BUCKET) == before
    upgraded.put(titles(20))
    assert upgraded.refresh(today=TOMORROW).changed == 0


def test_what_waits_is_known_before_it_is_paid(upgraded: Nights) -> None:
    waiting = upgraded.refresh().waiting
    [(ids, lists)] = waiting_lists(upgraded.tables, BUCKET)
    assert ids.to_pylist() == sorted(lists)
    assert len(lists) == waiting
    upgraded.refresh(share=1)
    stored = read_candidates(upgraded.tables, BUCKET)
    assert {manga_id: stored[manga_id] for manga_id in lists} == lists


def test_a_list_that_today_finds_nearly_the_same_never_waits(upgraded: Nights) -> None:
    upgraded.refresh(share=1)
    today = upgraded.lists()
    upgraded.put_earlier({number: [int(each[-8:]) for each in today[title_id(number)]][::-1] for number in range(20)})
    upgraded.tables.objects = {key: body for key, body in upgraded.tables.objects.items() if "/drawn/" not in key}
    report = upgraded.refresh()
    assert (report.waiting, report.changed) == (0, 0)


def test_a_set_share_moves_each_day_and_no_more_however_often_a_run_is_repeated(upgraded: Nights) -> None:
    waiting = upgraded.refresh().waiting
    first = upgraded.refresh(share=0.25)
    assert (first.changed, first.waiting) == (5, waiting - 5)
    assert upgraded.refresh(share=0.25).changed == 0
    upgraded.put(titles(20))
    assert upgraded.refresh(share=0.25).changed == 0
    second = upgraded.refresh(share=0.25, today=TOMORROW)
    assert (second.changed, second.waiting) == (5, waiting - 10)
    assert upgraded.refresh(share=1, today=date(2026, 12, 1)).waiting == 0
    assert upgraded.refresh(share=1, today=date(2026, 12, 2)).changed == 0


def test_new_and_changed_titles_get_lists_of_today(upgraded: Nights) -> None:
    upgraded.refresh()
    [(ids, _)] = waiting_lists(upgraded.tables, BUCKET)
    changed = ids[0].as_py()
    records = [replace(each, synopsis="Another plot.") if each.manga_id == changed else each for each in titles(20)]
    upgraded.put([*records, record(20, themes=("music",))])
    before = upgraded.lists()
    report = upgraded.refresh()
    after = upgraded.lists()
    assert report.changed == 2
    assert {each for each in after if after[each] != before.get(each)} == {changed, title_id(20)}
    assert len(after[title_id(20)]) == 5


def test_a_list_of_an_earlier_method_that_names_a_title_that_left_is_made_anew(upgraded: Nights) -> None:
    upgraded.put(titles(19))
    report = upgraded.refresh()
    assert report.changed == sum(19 in of for number, of in EARLIER.items() if number != 19)


def test_a_catalog_of_one_title_has_no_candidates(nights: Nights) -> None:
    nights.put(titles(1))
    assert nights.refresh().with_candidates == 0
    assert nights.lists() == {title_id(0): []}


def test_a_bucket_without_titles_has_no_lists(nights: Nights) -> None:
    nights.put(titles(3))
    nights.refresh()
    nights.put([])
    report = nights.refresh()
    assert (report.titles, report.with_candidates, report.changed, nights.lists()) == (0, 0, 0, {})
