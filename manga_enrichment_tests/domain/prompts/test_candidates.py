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
    replaces,
)

COUNTS = st.integers(0, 20)
THRESHOLDS = st.floats(0.01, 1)


def test_a_stored_list_stays_below_the_threshold_and_goes_at_it() -> None:
    assert not replaces(stored=10, gone=0, fresh=10, missed=0)
    assert not replaces(stored=10, gone=0, fresh=10, missed=2)
    assert replaces(stored=10, gone=0, fresh=10, missed=3)
    assert replaces(stored=10, gone=0, fresh=1, missed=1)


def test_a_stored_list_goes_when_one_of_its_titles_left_the_catalog() -> None:
    assert replaces(stored=3, gone=1, fresh=2, missed=0)


def test_an_empty_stored_list_gives_way_to_a_fresh_one() -> None:
    assert replaces(stored=0, gone=0, fresh=1, missed=1)


def test_a_fresh_list_that_found_nothing_does_not_replace_a_valid_one() -> None:
    assert not replaces(stored=2, gone=0, fresh=0, missed=0)


@given(stored=st.integers(1, 20), fresh=COUNTS, missed=COUNTS, threshold=THRESHOLDS)
def test_what_stays_misses_less_than_the_threshold(stored: int, fresh: int, missed: int, threshold: float) -> None:
    missed = min(missed, fresh)
    stays = not replaces(stored=stored, gone=0, fresh=fresh, missed=missed, threshold=threshold)
    assert stays == (missed < threshold * fresh or not fresh or missed / fresh < threshold)


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
