"""The store of what was asked again: rows are added, once, whoever else adds."""

from datetime import timedelta
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.again.store import Press, Presses, add_presses, read_presses
from manga_enrichment.pipeline.store.object_keys import again_key
from manga_enrichment_tests.builders import BUCKET, SINGLES, title_id
from manga_enrichment_tests.fakes import START, MemoryTables

ONE = Press(title_id(1), "reading_level", 1, "full_enrichment", "ed", START, "too young")

presses = st.builds(
    Press,
    manga_id=st.integers(1, 3).map(title_id),
    analysis=st.sampled_from(SINGLES),
    number=st.integers(0, 3),
    asked=st.just("full_enrichment"),
    by=st.text(max_size=5),
    at=st.integers(0, 99).map(lambda minutes: START + timedelta(minutes=minutes)),
    because=st.text(max_size=9),
)


def _wanted(wish: list[Press], _known: Presses) -> list[Press]:
    return wish


def test_nobody_asked_anything_again() -> None:
    found = read_presses(MemoryTables(), BUCKET)
    assert (found.rows, found.numbers, found.of(title_id(1))) == ((), {}, {})
    assert found.of_number(title_id(1), "reading_level") is None


@given(st.lists(st.lists(presses, max_size=3), max_size=3))
def test_all_that_was_said_is_kept_in_its_order(wishes: list[list[Press]]) -> None:
    tables = MemoryTables()
    for wish in wishes:
        assert add_presses(tables, BUCKET, partial(_wanted, wish)) == read_presses(tables, BUCKET)
    said = [each for wish in wishes for each in wish]
    found = read_presses(tables, BUCKET)
    assert list(found.rows) == said
    for each in said:
        own = [other.number for other in said if (other.manga_id, other.analysis) == (each.manga_id, each.analysis)]
        assert found.of(each.manga_id).get(each.analysis, 0) == max(own)
        assert found.has(each.manga_id, each.analysis, each.because)


def test_who_is_slower_is_told_what_the_faster_one_added() -> None:
    tables, seen = MemoryTables(), list[Presses]()
    mine = Press(title_id(2), "reading_level", 1, "reading_level", "ann", START, "too old")

    def wanted(known: Presses) -> list[Press]:
        if not seen:  # somebody else comes between
            add_presses(tables, BUCKET, lambda _known: [ONE])
        seen.append(known)
        return [mine]

    assert add_presses(tables, BUCKET, wanted).rows == (ONE, mine)
    assert [known.rows for known in seen] == [(), (ONE,)]


def test_who_wants_nothing_writes_nothing() -> None:
    tables = MemoryTables()
    add_presses(tables, BUCKET, lambda _known: [ONE])
    before = tables.objects[again_key(BUCKET)]
    add_presses(tables, BUCKET, lambda _known: [])
    assert tables.objects[again_key(BUCKET)] == before


@pytest.mark.parametrize("number", [0, 2])
def test_who_gave_a_question_its_number(number: int) -> None:
    later = Press(title_id(1), "reading_level", number, "reading_level", "ann", START, "too old")
    tables: ObjectStore = MemoryTables()
    found = add_presses(tables, BUCKET, lambda _known: [ONE, later])
    assert found.of_number(title_id(1), "reading_level") == (later if number else ONE)
