"""Editors correct answers and take that back; each word of it is kept with who, when, why and what was."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from manga_enrichment.domain.labels.labels import LabelKind
from manga_enrichment.pipeline.changes.replace import Origin
from manga_enrichment.pipeline.editing.editing import Editing
from manga_enrichment.pipeline.enrichment.wide_table import TABLE, write_enriched
from manga_enrichment.pipeline.labels.corrections import CorrectionError, corrections_of, read_corrections
from manga_enrichment.pipeline.store.object_keys import changes_prefix, labels_key, table_key
from manga_enrichment_tests.builders import BUCKET, World, put_catalog, record, title_id
from manga_enrichment_tests.fakes import MemoryTables

LEVEL = "reading_level"
TITLE = title_id(1)


@pytest.fixture
def world() -> World:
    """Two titles with answers, one that was never asked about."""
    world = World()
    put_catalog(world.tables, [record(1), record(2)])
    world.run()
    return world


@pytest.fixture
def editing(world: World) -> Editing:
    return Editing(world.tables, world.analyses, 1, world.clock)


def night(world: World, run_id: str = "run-1") -> bytes:
    """The wide table as a night builds it."""
    write_enriched(world.tables, BUCKET, list(world.analyses.values()), Origin(run_id, world.clock.now()))
    return world.tables.objects[table_key(TABLE, BUCKET)]


def wide(world: World) -> dict[str, dict[str, Any]]:
    return {row["manga_id"]: row for row in world.rows(table_key(TABLE, BUCKET))}


def level_of(world: World) -> str:
    return str(world.answers(LEVEL)[TITLE][LEVEL])


def another(world: World) -> str:
    return next(each for each in ("adult", "teen") if each != level_of(world))


def test_a_correction_says_what_it_replaces_and_its_taking_back_what_it_was(world: World, editing: Editing) -> None:
    models, right = level_of(world), another(world)
    said = editing.correct(TITLE, LEVEL, LEVEL, right, by=" ab ", because="the magazine's readers")
    assert (said.value, said.replaced, said.by, said.why, said.at) == (
        right, models, "ab", "the magazine's readers", world.clock.now()
    )  # fmt: skip
    second = editing.correct(TITLE, LEVEL, LEVEL, "mature", by="cd", because="rated 18")
    assert (second.value, second.replaced) == ("mature", right)
    back = editing.take_back(TITLE, LEVEL, LEVEL, by="cd", because="the rating is another volume's")
    assert (back.kind, back.value, back.replaced) == (LabelKind.TAKEN_BACK, None, "mature")
    assert corrections_of(world.tables, [world.analyses[LEVEL]], TITLE) == [said, second, back]
    assert read_corrections(world.tables, world.analyses[LEVEL]).of(TITLE) == {}


def test_the_same_said_twice_is_one_correction(world: World, editing: Editing) -> None:
    first = editing.correct(TITLE, LEVEL, "min_age", 17, by="ab", because="why")
    world.clock.advance(60)
    assert editing.correct(TITLE, LEVEL, "min_age", 17, by="cd", because="so too") == first
    assert corrections_of(world.tables, world.analyses.values()) == [first]


def test_whose_clock_is_behind_has_the_last_word_all_the_same(world: World, editing: Editing) -> None:
    night(world)
    models = wide(world)[TITLE]["min_age"]
    world.clock.advance(180)
    editing.correct(TITLE, LEVEL, "min_age", 16, by="fast", because="x")
    world.clock.advance(-180)
    second = editing.correct(TITLE, LEVEL, "min_age", 17, by="right", because="x")
    assert (second.value, second.replaced, wide(world)[TITLE]["min_age"]) == (17, 16, 17)
    world.clock.advance(-60)
    editing.take_back(TITLE, LEVEL, "min_age", by="slow", because="x")
    assert (wide(world)[TITLE]["min_age"], wide(world)[TITLE]["corrected"]) == (models, None)
    world.clock.advance(-60)
    third = editing.correct(TITLE, LEVEL, "min_age", 18, by="slower", because="x")
    assert third.replaced == models
    at_once = wide(world)
    assert (at_once[TITLE]["min_age"], at_once[TITLE]["corrected"]) == (18, ["min_age"])
    night(world, "run-2")
    assert wide(world) == at_once
    said = corrections_of(world.tables, [world.analyses[LEVEL]], TITLE)
    assert [each.by for each in said] == ["fast", "right", "slow", "slower"]


def test_what_cannot_be_corrected_is_refused_and_leaves_nothing(world: World, editing: Editing) -> None:
    for manga_id, analysis, field, value, by, because, said in (
        (TITLE, "mood", "mood", "dark", "ab", "x", "no analysis 'mood'; there are genre_classification"),
        (TITLE, LEVEL, "min_age", 99, "ab", "x", "min_age cannot be that"),
        (TITLE, LEVEL, "min_age", 17, "  ", "x", "by is needed"),
        (TITLE, LEVEL, "min_age", 17, "ab", "\u200b", "because is needed"),
        (TITLE, LEVEL, "min_age", 17, "ab", "x" * 1001, "in 1 to 1000 characters"),
        ("MNG-0000000X", LEVEL, "min_age", 17, "ab", "x", "MNG-0000000X has no answer of reading_level"),
        (TITLE, LEVEL, LEVEL, level_of(world), "ab", "x", "is that already"),
    ):
        with pytest.raises(CorrectionError, match=said):
            editing.correct(manga_id, analysis, field, value, by=by, because=because)
    with pytest.raises(CorrectionError, match="no correction that could be taken back"):
        editing.take_back(TITLE, LEVEL, "min_age", by="ab", because="x")
    assert corrections_of(world.tables, world.analyses.values()) == []


def similar_to(number: int) -> list[dict[str, object]]:
    return [{"manga_id": title_id(number), "score": 0.5, "reason": "By eye."}]


def test_similar_titles_are_others_of_the_catalog() -> None:
    world = World()
    put_catalog(world.tables, [record(number) for number in range(1, 6)])
    world.run()
    editing = Editing(world.tables, world.analyses, 1, world.clock)
    for number, said in ((9, "no title of the catalog"), (1, "the title itself")):
        with pytest.raises(CorrectionError, match=f"{title_id(number)} is {said}: name another"):
            editing.correct(TITLE, "similar_series", "similar_titles", similar_to(number), by="ab", because="x")
    editing.correct(TITLE, "similar_series", "similar_titles", similar_to(5), by="ab", because="x")
    editing.correct(title_id(2), "similar_series", "similar_titles", [], by="ab", because="x")
    assert editing.at_odds(TITLE, "similar_series") == []


def test_fields_that_disagree_after_a_correction_are_told(world: World, editing: Editing) -> None:
    assert editing.at_odds(TITLE, LEVEL) == []
    editing.correct(TITLE, LEVEL, LEVEL, "mature", by="ab", because="x")
    assert editing.at_odds(TITLE, LEVEL) == ["min_age: mature goes with 18 to 18 years"]
    editing.correct(TITLE, LEVEL, "min_age", 18, by="ab", because="x")
    assert editing.at_odds(TITLE, LEVEL) == []
    assert editing.at_odds("MNG-0000000X", LEVEL) == []


def test_editors_at_once_all_succeed(world: World, editing: Editing) -> None:
    fields = {LEVEL: another(world), "min_age": 17, "reading_level_confidence": 0.125, "reading_level_basis": "genres"}
    starts = threading.Barrier(len(fields))

    def say(field: str, value: object) -> None:
        starts.wait()
        editing.correct(TITLE, LEVEL, field, value, by=field, because="at once")

    editors = [threading.Thread(target=say, args=each) for each in fields.items()]
    for each in editors:
        each.start()
    for each in editors:
        each.join()
    assert read_corrections(world.tables, world.analyses[LEVEL]).of(TITLE) == fields


def test_readers_get_it_at_once_as_a_night_would_give_it(world: World, editing: Editing) -> None:
    night(world)
    before = wide(world)
    editing.correct(TITLE, LEVEL, "min_age", 17, by="ab", because="x")
    editing.correct(TITLE, "content_summary", "summary_en", "Said by a person.", by="ab", because="x")
    now = {"min_age": 17, "summary_en": "Said by a person.", "corrected": ["min_age", "summary_en"]}
    assert wide(world) == before | {TITLE: before[TITLE] | now}
    editing.take_back(TITLE, LEVEL, "min_age", by="ab", because="x")
    at_once = wide(world)
    assert at_once[TITLE] == before[TITLE] | {"summary_en": "Said by a person.", "corrected": ["summary_en"]}
    night(world, "run-2")
    assert wide(world) == at_once
    editing.take_back(TITLE, "content_summary", "summary_en", by="ab", because="x")
    assert wide(world) == before


def test_followers_are_told_that_a_person_changed_it(world: World, editing: Editing) -> None:
    night(world)
    keys = set(world.tables.list_keys(changes_prefix("enriched_changes")))
    editing.correct(TITLE, LEVEL, "min_age", 17, by="ab", because="x")
    (key,) = set(world.tables.list_keys(changes_prefix("enriched_changes"))) - keys
    rows = world.rows(key)
    assert {(row["manga_id"], row["field"], row["to_value"], row["dagster_run_id"]) for row in rows} == {
        (TITLE, "min_age", "17", "correction"),
        (TITLE, "corrected", '["min_age"]', "correction"),
    }


def test_a_table_of_before_there_were_corrections_gets_their_column(world: World, editing: Editing) -> None:
    night(world)
    stored = world.tables.read(table_key(TABLE, BUCKET))
    assert stored is not None
    world.tables.write(table_key(TABLE, BUCKET), stored.table.drop_columns(["corrected"]))
    editing.correct(TITLE, LEVEL, "min_age", 17, by="ab", because="x")
    assert {row["manga_id"]: row["corrected"] for row in wide(world).values()} == {
        TITLE: ["min_age"],
        title_id(2): None,
    }


class Dying(MemoryTables):
    """Is killed when the wide table is to be written."""

    dies = False

    def write(self, key: str, table: Any, **condition: Any) -> str:
        if self.dies and key == table_key(TABLE, BUCKET):
            raise KeyboardInterrupt
        return super().write(key, table, **condition)


@pytest.mark.parametrize("mended_by", ["saying it again", "a night"])
def test_what_a_kill_leaves_out_is_shown_later(mended_by: str) -> None:
    tables = Dying()
    world = World(tables=tables)
    put_catalog(tables, [record(1)])
    world.run()
    night(world)
    editing = Editing(tables, world.analyses, 1, world.clock)
    models = wide(world)[TITLE]["min_age"]
    for again, shown in (
        (lambda: editing.correct(TITLE, LEVEL, "min_age", 17, by="ab", because="x"), 17),
        (lambda: editing.take_back(TITLE, LEVEL, "min_age", by="ab", because="x"), models),
    ):
        tables.dies = True
        with pytest.raises(KeyboardInterrupt):
            again()
        tables.dies = False
        assert wide(world)[TITLE]["min_age"] != shown
        if mended_by == "a night":
            night(world, "run-2")
        else:
            again()
        assert wide(world)[TITLE]["min_age"] == shown
    assert len(world.rows(labels_key(LEVEL))) == 2


class Racing(MemoryTables):
    """An editor speaks just before the wide table is written, once."""

    speak: Callable[[], object] | None = None

    def write(self, key: str, table: Any, **condition: Any) -> str:
        if self.speak is not None and key == table_key(TABLE, BUCKET):
            speak, self.speak = self.speak, None
            speak()
        return super().write(key, table, **condition)


def test_an_editor_who_speaks_while_a_night_builds_the_table_is_heard_by_both() -> None:
    tables = Racing()
    world = World(tables=tables)
    put_catalog(tables, [record(1), record(2)])
    world.run()
    night(world)
    put_catalog(tables, [record(1), record(2), record(3)])
    editing = Editing(tables, world.analyses, 1, world.clock)
    tables.speak = lambda: editing.correct(TITLE, LEVEL, "min_age", 17, by="ab", because="x")
    night(world, "run-2")
    assert tables.speak is None
    assert len(wide(world)) == 3
    assert (wide(world)[TITLE]["min_age"], wide(world)[TITLE]["corrected"]) == (17, ["min_age"])
    tables.speak = lambda: editing.correct(title_id(2), LEVEL, "min_age", 16, by="cd", because="x")
    editing.correct(TITLE, LEVEL, "min_age", 18, by="ab", because="x")
    assert {row["manga_id"]: row["corrected"] for row in wide(world).values()} == {
        TITLE: ["min_age"],
        title_id(2): ["min_age"],
        title_id(3): None,
    }
    assert (wide(world)[TITLE]["min_age"], wide(world)[title_id(2)]["min_age"]) == (18, 16)


def test_corrections_stand_whatever_is_asked_again(world: World, editing: Editing) -> None:
    night(world)
    editing.correct(TITLE, LEVEL, "min_age", 17, by="ab", because="x")
    put_catalog(world.tables, [record(1, synopsis="Another story altogether, told anew. " * 5), record(2)])
    fingerprint = world.answers(LEVEL)[TITLE]["fingerprint"]
    world.run("run-2")
    night(world, "run-2")
    assert world.answers(LEVEL)[TITLE]["fingerprint"] != fingerprint
    assert (wide(world)[TITLE]["min_age"], wide(world)[TITLE]["corrected"]) == (17, ["min_age"])


def test_a_title_that_left_keeps_its_corrections_for_its_return(world: World, editing: Editing) -> None:
    night(world)
    editing.correct(TITLE, LEVEL, "min_age", 17, by="ab", because="x")
    put_catalog(world.tables, [record(2)])
    world.run("run-2")
    night(world, "run-2")
    assert TITLE not in wide(world)
    with pytest.raises(CorrectionError, match="has no answer of reading_level"):
        editing.correct(TITLE, LEVEL, "min_age", 16, by="ab", because="x")
    put_catalog(world.tables, [record(1), record(2)])
    world.run("run-3")
    night(world, "run-3")
    assert wide(world)[TITLE]["corrected"] == ["min_age"]
