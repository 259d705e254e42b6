"""Editors correct answers and take that back; each word of it is kept with who, when, why and what was."""

import threading

import pytest

from manga_enrichment.domain.labels.labels import LabelKind
from manga_enrichment.pipeline.editing.editing import Editing
from manga_enrichment.pipeline.labels.corrections import CorrectionError, corrections_of, read_corrections
from manga_enrichment_tests.builders import World, put_catalog, record, title_id

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
