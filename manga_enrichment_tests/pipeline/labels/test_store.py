"""The store of labels keeps all that was said, in versions, and loses nothing when two add at once."""

from dataclasses import replace
from datetime import UTC, datetime

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.domain.labels.labels import Label, LabelKind
from manga_enrichment.pipeline.labels.store import add_labels, labelled, read_labels, read_said_of_answers
from manga_enrichment.pipeline.store.object_keys import labels_key
from manga_enrichment_tests.fakes import MemoryTables

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
LEVEL = Label("MNG-00000001", "reading_level", "reading_level", "teen", "ab", NOW, "by the cover")
GENRES = Label("MNG-00000001", "genre_classification", "genres", ["drama", "war"], "ab", NOW, kind=LabelKind.CORRECTION)


def test_labels_read_back_equal_whatever_their_values() -> None:
    tables = MemoryTables()
    spoilers = replace(LEVEL, field="contains_spoilers", value=False)
    taken_back = replace(LEVEL, field="min_age", value=None)
    assert add_labels(tables, [LEVEL, GENRES, spoilers, taken_back]) == {"reading_level": 1, "genre_classification": 1}
    assert read_labels(tables, "reading_level") == [LEVEL, spoilers, taken_back]
    assert read_labels(tables, "genre_classification") == [GENRES]
    assert read_labels(tables, "content_summary") == []


LABELS = st.lists(
    st.builds(
        replace,
        st.just(LEVEL),
        manga_id=st.sampled_from("abcd"),
        value=st.sampled_from(["kids", "teen"]),
        kind=st.sampled_from(LabelKind),
        at=st.integers(0, 99).map(lambda second: NOW.replace(second=second % 60, minute=second // 60)),
    ),
    unique=True,
)


@given(LABELS, st.none() | st.lists(st.sampled_from("abcde"), unique=True))
def test_what_was_said_of_answers_of_some_titles_is_in_the_order_of_the_store(
    labels: list[Label], ids: list[str] | None
) -> None:
    tables = MemoryTables()
    assert read_said_of_answers(tables, "reading_level") == []
    for each in labels:
        add_labels(tables, [each])
    wanted = None if ids is None else pa.array(ids, pa.string())
    assert read_labels(tables, "reading_level") == labels
    assert read_said_of_answers(tables, "reading_level", wanted) == [
        each for each in labels if each.kind is not LabelKind.LABEL and (ids is None or each.manga_id in ids)
    ]


def test_each_addition_is_a_version_and_nothing_is_taken_away() -> None:
    tables = MemoryTables()
    later = replace(LEVEL, value="adult", by="cd", at=NOW.replace(hour=13))
    assert add_labels(tables, [LEVEL]) == {"reading_level": 1}
    assert add_labels(tables, [later]) == {"reading_level": 2}
    stored = tables.read(labels_key("reading_level"))
    assert stored is not None
    assert [(row["version"], row["value"], row["by"]) for row in stored.table.to_pylist()] == [
        (1, '"teen"', "ab"),
        (2, '"adult"', "cd"),
    ]
    assert labelled(tables, ["reading_level"]) == {LEVEL.manga_id: {"reading_level": "adult"}}


def test_the_same_said_again_changes_nothing() -> None:
    tables = MemoryTables()
    add_labels(tables, [LEVEL])
    assert add_labels(tables, [LEVEL]) == {"reading_level": 1}
    assert read_labels(tables, "reading_level") == [LEVEL]
    assert add_labels(tables, []) == {}


class Racing(MemoryTables):
    """Somebody else adds a label between our look and our write, once."""

    raced = False

    def write(self, key: str, table: pa.Table, *, expected_etag: str | None = None, new: bool = False) -> str:
        if not self.raced:
            self.raced = True
            add_labels(self, [replace(LEVEL, by="cd", value="kids")])
        return super().write(key, table, expected_etag=expected_etag, new=new)


def test_two_who_add_at_once_both_succeed() -> None:
    tables = Racing()
    assert add_labels(tables, [LEVEL]) == {"reading_level": 2}
    assert [label.by for label in read_labels(tables, "reading_level")] == ["cd", "ab"]


def test_what_holds_of_several_analyses_is_one_row_a_title() -> None:
    tables = MemoryTables()
    add_labels(tables, [LEVEL, GENRES])
    assert labelled(tables, ["reading_level", "genre_classification", "content_summary"]) == {
        LEVEL.manga_id: {"reading_level": "teen", "genres": ["drama", "war"]}
    }
