"""Derived ids, and titles that come to the same."""

from manga_enrichment.domain.catalog.ids import IdRegister, derived_id
from manga_enrichment.domain.catalog.mapping import ColumnMapping
from manga_enrichment.domain.catalog.records import MANGA_ID, MangaRecord
from manga_enrichment.domain.catalog.rows import clean_row

FIRST, SECOND, THIRD = (derived_id("mal", "13", attempt) for attempt in range(3))


def test_attempts_are_different_ids() -> None:
    assert len({FIRST, SECOND, THIRD}) == 3
    assert all(MANGA_ID.match(manga_id) for manga_id in (FIRST, SECOND, THIRD))


def test_an_id_is_the_first_attempt_unless_another_title_has_it() -> None:
    ids = IdRegister({})
    assert ids.of("mal", "13") == ids.of("mal", "13") == FIRST
    assert ids.remembered == {}


def test_whoever_is_stored_with_an_id_keeps_it_and_the_next_gets_another() -> None:
    ids = IdRegister({}, [(FIRST, "mal", "7"), (SECOND, "mal", "8")])
    assert ids.of("mal", "13") == ids.of("mal", "13") == THIRD
    assert ids.remembered == {"mal\n13": THIRD}


def test_a_title_that_is_stored_finds_its_own_id_again() -> None:
    assert IdRegister({}, [(FIRST, "mal", "13")]).of("mal", "13") == FIRST


def test_a_title_that_is_stored_with_a_later_attempt_keeps_it_when_the_first_is_free() -> None:
    ids = IdRegister({}, [(SECOND, "mal", "13")])
    assert ids.of("mal", "13") == SECOND
    assert ids.remembered == {"mal\n13": SECOND}


def test_what_is_remembered_holds_when_the_other_title_has_left() -> None:
    ids = IdRegister({"mal\n13": THIRD})
    assert ids.of("mal", "13") == THIRD
    assert ids.remembered == {"mal\n13": THIRD}


def test_a_remembered_id_is_given_to_nobody_else() -> None:
    assert IdRegister({"mal\n7": FIRST}).of("mal", "13") == SECOND


def test_rows_are_cleaned_with_the_ids_of_the_register() -> None:
    mapping = ColumnMapping.from_json({"manga_id": {"id_from": {"source": "mal", "id": "n"}}})
    ids = IdRegister({}, [(FIRST, "mal", "7")])
    assert clean_row({"n": 13, "title": "x"}, 1, mapping, ids=ids) == MangaRecord(SECOND, "x")
    assert clean_row({"n": 13, "title": "x"}, 1, mapping) == MangaRecord(FIRST, "x")
    rejected = clean_row({"title": "x"}, 1, mapping, ids=ids)
    assert not isinstance(rejected, MangaRecord)


def test_what_is_remembered_outlives_the_import() -> None:
    ids = IdRegister({}, [(FIRST, "mal", "7")])
    ids.of("mal", "13")
    ids.close()
    assert ids.remembered == {"mal\n13": SECOND}
