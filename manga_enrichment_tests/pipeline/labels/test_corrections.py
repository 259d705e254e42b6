"""What may be said of an answer, and which corrections stand."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from manga_enrichment.domain.labels.labels import Label, LabelKind
from manga_enrichment.pipeline.labels.corrections import (
    CorrectionError,
    check_correction,
    correction_in,
    corrections_of,
    read_corrections,
)
from manga_enrichment.pipeline.labels.store import LABEL_SCHEMA, add_labels, labelled, read_labels
from manga_enrichment.pipeline.store.object_keys import labels_key
from manga_enrichment_tests.analyses import ANALYSES, FOR_PARTNERS
from manga_enrichment_tests.fakes import MemoryTables

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
GENRE, LEVEL, SUMMARY = (ANALYSES[name] for name in ("genre_classification", "reading_level", "content_summary"))
SAID = Label("MNG-00000001", LEVEL.name, "reading_level", "teen", "ab", NOW, "cover", LabelKind.CORRECTION, "kids")


def later(minutes: int, **changes: Any) -> Label:
    return replace(SAID, at=NOW + timedelta(minutes=minutes), **changes)


TAKEN_BACK = later(2, value=None, kind=LabelKind.TAKEN_BACK, replaced="teen")


@pytest.mark.parametrize(
    ("name", "field", "value", "stored"),
    [
        ("genre_classification", "primary_genre", "horror", "horror"),
        ("genre_classification", "genres", [{"genre": "war", "confidence": 1}], [{"genre": "war", "confidence": 1.0}]),
        ("genre_classification", "story_themes", [], []),
        ("reading_level", "min_age", 18.0, 18),
        ("reading_level", "reading_level_confidence", 1, 1.0),
        ("content_summary", "summary_ja", None, None),
        ("content_summary", "contains_spoilers", False, False),
    ],
)
def test_a_value_that_the_schema_takes_is_stored_as_its_column_has_it(
    name: str, field: str, value: Any, stored: Any
) -> None:
    found = check_correction(ANALYSES[name], field, value)
    assert (found, type(found)) == (stored, type(stored))


@pytest.mark.parametrize(
    ("name", "field", "value", "said"),
    [
        (
            "genre_classification",
            "primary_genre",
            "horor",
            'primary_genre cannot be that: "horor" must be one of action, adv',
        ),
        ("genre_classification", "genre", "war", "has no field 'genre': its fields are primary_genre, genres, story"),
        ("genre_classification", "genres", [], "genres cannot be that"),
        ("genre_classification", "genres", [{"genre": "war", "confidence": 2}], "0: confidence: 2 must be at most 1"),
        ("genre_classification", "story_themes", ["a", "aa"], '0: "a" must have at least 2 characters'),
        ("reading_level", "min_age", 19, "min_age cannot be that: 19 must be at most 18"),
        ("reading_level", "min_age", True, "true must be of type integer"),
        ("reading_level", "reading_level", None, "null must be"),
        ("reading_level", "reading_level_confidence", float("nan"), "JSON"),
        ("content_summary", "summary_en", "x" * 601, "xxx must have at most 600 characters"),
        ("content_summary", "summary_en", "\u200b", "no visible character"),
        ("content_summary", "summary_en", "\ud800", "JSON"),
        ("full_enrichment", "primary_genre", "war", "fills other tables: correct genre_classification, "),
    ],
)
def test_a_value_that_it_refuses_is_refused_with_the_reason(name: str, field: str, value: Any, said: str) -> None:
    with pytest.raises(CorrectionError, match=r"cannot be that|other tables|no field") as refused:
        check_correction(ANALYSES[name], field, value)
    assert said in str(refused.value)
    assert len(str(refused.value)) < 600


def test_an_analysis_without_a_table_has_nothing_to_correct() -> None:
    with pytest.raises(CorrectionError, match="content_moderation has no field 'verdict': it has no table"):
        check_correction(FOR_PARTNERS["content_moderation"], "verdict", "allow")


@pytest.mark.parametrize(
    ("name", "field", "text", "value"),
    [
        ("genre_classification", "primary_genre", " horror ", "horror"),
        (
            "genre_classification",
            "genres",
            '[{"genre": "war", "confidence": 0.5}]',
            [{"genre": "war", "confidence": 0.5}],
        ),
        ("genre_classification", "story_themes", "first love; revenge;", ["first love", "revenge"]),
        ("genre_classification", "story_themes", '["a; b"]', ["a; b"]),
        ("genre_classification", "story_themes", "[]", []),
        ("reading_level", "min_age", "13", 13),
        ("reading_level", "reading_level_confidence", "0.5", 0.5),
        ("content_summary", "contains_spoilers", "True", True),
        ("content_summary", "summary_ja", "null", None),
        ("content_summary", "summary_en", "null", "null"),
        ("content_summary", "summary_en", "13", "13"),
    ],
)
def test_what_is_typed_is_read_as_the_field_has_it(name: str, field: str, text: str, value: Any) -> None:
    assert correction_in(ANALYSES[name], field, text) == value


@pytest.mark.parametrize(("field", "text"), [("min_age", "twelve"), ("min_age", ""), ("reading_level", "")])
def test_what_is_typed_and_does_not_fit_is_refused(field: str, text: str) -> None:
    with pytest.raises(CorrectionError, match=f"{field} cannot be that"):
        correction_in(LEVEL, field, text)


def test_the_last_correction_of_a_field_stands_until_it_is_taken_back() -> None:
    tables = MemoryTables()
    add_labels(tables, [SAID, later(1, value="adult"), later(1, field="min_age", value=16)])
    assert read_corrections(tables, LEVEL).of(SAID.manga_id) == {"reading_level": "adult", "min_age": 16}
    add_labels(tables, [TAKEN_BACK])
    assert read_corrections(tables, LEVEL).of(SAID.manga_id) == {"min_age": 16}
    add_labels(tables, [later(3, value="mature")])
    assert read_corrections(tables, LEVEL).of(SAID.manga_id) == {"reading_level": "mature", "min_age": 16}
    assert read_corrections(tables, LEVEL).of("MNG-00000002") == {}
    assert read_corrections(tables, LEVEL, pa.array([SAID.manga_id])) == read_corrections(tables, LEVEL)
    assert read_corrections(tables, LEVEL, pa.array(["MNG-00000002"])).by_title == {}
    assert [each.at.minute for each in corrections_of(tables, [LEVEL, GENRE], SAID.manga_id)] == [0, 1, 1, 2, 3]
    assert len(corrections_of(tables, [LEVEL])) == 5
    assert corrections_of(tables, [LEVEL], "MNG-00000002") == []


def test_what_is_listed_is_in_the_order_of_the_store_whatever_the_clocks_showed() -> None:
    tables = MemoryTables()
    fast, slow = later(3, value="adult"), later(1, value="mature")
    genre = later(2, analysis=GENRE.name, field="primary_genre", value="war")
    for each in (fast, slow, genre):
        add_labels(tables, [each])
    found = corrections_of(tables, [LEVEL, GENRE])
    assert [each for each in found if each != genre] == [fast, slow]
    assert len(found) == 3
    assert genre in found
    assert read_corrections(tables, LEVEL).of(SAID.manga_id) == {"reading_level": "mature"}


def test_what_was_said_without_seeing_an_answer_corrects_none() -> None:
    tables = MemoryTables()
    add_labels(tables, [SAID, later(1, value="adult", kind=LabelKind.LABEL)])
    assert read_corrections(tables, LEVEL).of(SAID.manga_id) == {"reading_level": "teen"}
    assert corrections_of(tables, [LEVEL]) == [SAID]


def test_nothing_can_be_the_right_value() -> None:
    tables = MemoryTables()
    nothing = later(1, analysis=SUMMARY.name, field="summary_ja", value=None, replaced="夏の話。")
    add_labels(tables, [nothing])
    assert read_labels(tables, SUMMARY.name) == [nothing]
    assert read_corrections(tables, SUMMARY).of(SAID.manga_id) == {"summary_ja": None}


def test_a_correction_that_todays_schema_refuses_is_kept_and_changes_nothing() -> None:
    tables = MemoryTables()
    add_labels(
        tables, [later(1, value="toddlers"), later(1, field="shelf", value="top"), later(1, field="min_age", value=3)]
    )
    assert read_corrections(tables, LEVEL).of(SAID.manga_id) == {"min_age": 3}
    assert len(corrections_of(tables, [LEVEL])) == 3


def test_trials_take_corrections_for_truth_and_labels_again_when_they_are_taken_back() -> None:
    tables = MemoryTables()
    add_labels(tables, [later(-1, value="kids", kind=LabelKind.LABEL), SAID])
    assert labelled(tables, [LEVEL.name]) == {SAID.manga_id: {"reading_level": "teen"}}
    add_labels(tables, [TAKEN_BACK])
    assert labelled(tables, [LEVEL.name]) == {SAID.manga_id: {"reading_level": "kids"}}
    add_labels(tables, [later(-60, value="mature", kind=LabelKind.LABEL)])  # a sheet, read where the clock is behind
    assert labelled(tables, [LEVEL.name]) == {SAID.manga_id: {"reading_level": "mature"}}


def test_a_file_without_what_was_replaced_is_read_and_added_to() -> None:
    tables = MemoryTables()
    add_labels(tables, [replace(SAID, replaced=None)])
    stored = tables.read(labels_key(LEVEL.name))
    assert stored is not None
    old = stored.table.drop_columns(["replaced"])
    assert old.column_names == LABEL_SCHEMA.names[:-1]
    tables.write(labels_key(LEVEL.name), pa.Table.from_pylist(old.to_pylist(), schema=old.schema))
    assert read_labels(tables, LEVEL.name) == [replace(SAID, replaced=None)]
    assert add_labels(tables, [replace(SAID, replaced=None)]) == {LEVEL.name: 1}
    assert add_labels(tables, [TAKEN_BACK]) == {LEVEL.name: 2}
    assert read_labels(tables, LEVEL.name) == [replace(SAID, replaced=None), TAKEN_BACK]
