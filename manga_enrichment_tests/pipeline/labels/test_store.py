"""The store of labels keeps all that was said, in versions, and loses nothing when two add at once."""

from dataclasses import replace
from datetime import UTC, datetime

import pyarrow as pa

from manga_enrichment.domain.labels.labels import Label, LabelKind
from manga_enrichment.pipeline.labels.store import add_labels, labelled, read_labels
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


def test_labels_of_one_title_are_those_that_all_labels_have_of_it() -> None:
    tables = MemoryTables()
    others = [replace(LEVEL, manga_id=f"MNG-0000000{number}", value="kids") for number in (2, 3)]
    again = replace(LEVEL, value="adult")
    add_labels(tables, [LEVEL, *others])
    add_labels(tables, [again])
    assert read_labels(tables, "reading_level", LEVEL.manga_id) == [LEVEL, again]
    assert read_labels(tables, "reading_level", "MNG-00000009") == []
    assert len(read_labels(tables, "reading_level")) == 4


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
