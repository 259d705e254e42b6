import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.domain.analyses.base import Candidate
from manga_enrichment.domain.catalog.records import MangaRecord
from manga_enrichment.domain.prompts.candidates import (
    CANDIDATE_COLUMNS,
    HINT_LABELS_CHARACTERS,
    HINT_SYNOPSIS_CHARACTERS,
    candidate_of,
    refresh,
)

IDS = st.integers(0, 30).map(lambda number: f"MNG-{number:08d}")
LISTS = st.lists(IDS, max_size=20, unique=True).map(lambda ids: [Candidate(each, f"Title {each}") for each in ids])
THRESHOLDS = st.floats(0.01, 1)


def some(*numbers: int) -> list[Candidate]:
    return [Candidate(f"MNG-{number:08d}", f"Title {number}") for number in numbers]


def ids(*lists: list[Candidate]) -> set[str]:
    return {candidate.manga_id for each in lists for candidate in each}


def test_a_stored_list_stays_when_the_fresh_one_only_reorders_it() -> None:
    stored, fresh = some(1, 2, 3), some(3, 1, 2)
    assert refresh(stored, fresh, ids(stored)) is stored


def test_a_stored_list_stays_below_the_threshold_and_goes_at_it() -> None:
    stored = some(*range(10))
    below, at = some(*range(8), 20, 21), some(*range(7), 20, 21, 22)
    assert refresh(stored, below, ids(stored, below)) is stored
    assert refresh(stored, at, ids(stored, at)) is at


def test_a_stored_list_goes_when_one_of_its_titles_left_the_catalog() -> None:
    stored, fresh = some(1, 2, 3), some(1, 2)
    assert refresh(stored, fresh, ids(fresh)) is fresh


def test_an_empty_stored_list_gives_way_to_a_fresh_one() -> None:
    fresh = some(1)
    assert refresh([], fresh, ids(fresh)) is fresh


def test_a_fresh_list_that_found_nothing_does_not_replace_a_valid_one() -> None:
    stored = some(1, 2)
    assert refresh(stored, [], ids(stored)) is stored


@given(stored=LISTS, fresh=LISTS, threshold=THRESHOLDS)
def test_the_answer_is_one_of_the_two_lists_untouched(
    stored: list[Candidate], fresh: list[Candidate], threshold: float
) -> None:
    assert refresh(stored, fresh, ids(stored, fresh), threshold) in (stored, fresh)


@given(stored=LISTS, fresh=LISTS, catalog=st.sets(IDS), threshold=THRESHOLDS)
def test_no_answer_names_a_title_that_left_the_catalog_unless_the_fresh_list_does(
    stored: list[Candidate], fresh: list[Candidate], catalog: set[str], threshold: float
) -> None:
    answer = refresh(stored, fresh, catalog | ids(fresh), threshold)
    assert ids(list(answer)) <= catalog | ids(fresh)


@given(stored=LISTS, fresh=LISTS, threshold=THRESHOLDS)
def test_refreshing_twice_changes_nothing_more(
    stored: list[Candidate], fresh: list[Candidate], threshold: float
) -> None:
    catalog = ids(stored, fresh)
    once = refresh(stored, fresh, catalog, threshold)
    assert refresh(once, fresh, catalog, threshold) == once


@given(stored=LISTS, fresh=LISTS, threshold=THRESHOLDS)
def test_what_stays_misses_less_than_the_threshold(
    stored: list[Candidate], fresh: list[Candidate], threshold: float
) -> None:
    answer = refresh(stored, fresh, ids(stored, fresh), threshold)
    missed = len(ids(fresh) - ids(list(answer)))
    assert missed == 0 or missed < threshold * len(fresh) + 1e-9


def test_a_hint_names_labels_then_the_lead_of_the_synopsis() -> None:
    record = MangaRecord(
        "MNG-00000001",
        "Moon\nKitchen",
        publisher_genres=("Comedy",),
        themes=("Cooking", "Comedy"),
        demographics=("Seinen",),
        synopsis="A retired knight opens a kitchen.\nNobody  comes.",
    )
    assert candidate_of(record) == Candidate(
        "MNG-00000001", "Moon Kitchen", "Comedy, Cooking, Seinen; A retired knight opens a kitchen. Nobody comes."
    )


def test_a_hint_without_labels_or_synopsis_is_empty() -> None:
    assert candidate_of(MangaRecord("MNG-00000001", "無題")).hint == ""


@given(labels=st.lists(st.text(), max_size=8), synopsis=st.none() | st.text(max_size=300), title=st.text(min_size=1))
def test_a_candidate_is_short_and_on_one_line(labels: list[str], synopsis: str | None, title: str) -> None:
    shown = candidate_of(MangaRecord("MNG-00000001", title, themes=tuple(labels), synopsis=synopsis))
    assert len(shown.hint) <= HINT_LABELS_CHARACTERS + len("; ") + HINT_SYNOPSIS_CHARACTERS
    assert len(f"{shown.title} {shown.hint}".splitlines()) <= 1


@pytest.mark.parametrize("column", CANDIDATE_COLUMNS, ids=lambda column: column.name)
def test_every_column_is_described_and_present(column) -> None:
    assert column.doc
    assert not column.nullable
