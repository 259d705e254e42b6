"""Partners get what editors say instead of what the model said, and are told where; the ledger keeps that."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from manga_enrichment.domain.analyses.validation import answer_problems
from manga_enrichment.domain.prompts.prompt import title_inputs
from manga_enrichment.pipeline.editing.editing import Editing
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import COMBINED, record, title_id
from manga_enrichment_tests.partner_world import WAYS, PartnerWorld

LEVEL, GENRE = "reading_level", "genre_classification"
MakeWorld = Callable[..., PartnerWorld]


@pytest.fixture(params=WAYS)
def make_world(request: pytest.FixtureRequest) -> MakeWorld:
    return partial(PartnerWorld, way=request.param)


def editing_of(world: PartnerWorld) -> Editing:
    return Editing(world.base.tables, ANALYSES, 1, world.clock)


def said(world: PartnerWorld, request_id: str) -> list[tuple[Any, Any]]:
    return [(item["answer"], item["corrected"]) for item in world.result(request_id)["items"]]


def test_results_and_their_rows_have_corrected_values_and_say_where(make_world: MakeWorld) -> None:
    world = make_world()
    world.base.run()
    before = world.send([(1, LEVEL), (2, COMBINED), (3, LEVEL)])
    world.work()
    (level, _), (combined, _), (other, _) = said(world, before)
    assert [corrected for _, corrected in said(world, before)] == [[], [], []]
    editing = editing_of(world)
    editing.correct(title_id(1), LEVEL, "min_age", 13, by="ab", because="x")
    editing.correct(title_id(2), LEVEL, "reading_level_confidence", 0.25, by="ab", because="x")
    editing.correct(title_id(2), GENRE, "story_themes", ["rowing"], by="ab", because="x")
    world.clock.advance(60)
    entries = dict(world.base.ledger.entries)
    after = world.send([(1, LEVEL), (2, COMBINED), (3, LEVEL)])
    world.work()
    parts = {
        LEVEL: combined[LEVEL] | {"confidence": 0.25},
        GENRE: combined[GENRE] | {"themes": ["rowing"]},
    }
    assert said(world, after) == [
        (level | {"min_age": 13}, ["min_age"]),
        (combined | parts, ["genre_classification.themes", "reading_level.confidence"]),
        (other, []),
    ]
    assert answer_problems(ANALYSES[LEVEL], said(world, after)[0][0], title_inputs(ANALYSES[LEVEL], record(1))) == []
    rows = sorted(world.result_rows(after), key=lambda row: int(row["position"]))
    assert [row["corrected"] for row in rows] == [corrected for _, corrected in said(world, after)]
    assert '"min_age": 13' in rows[0]["answer"]
    assert world.base.ledger.entries == entries
    assert [answer for answer, _ in said(world, before)] == [level, combined, other]


def test_what_is_asked_now_is_corrected_and_what_is_taken_back_is_the_models(make_world: MakeWorld) -> None:
    world = make_world()
    world.base.run()
    editing = editing_of(world)
    editing.correct(title_id(1), LEVEL, "min_age", 13, by="ab", because="x")
    asked = len(world.base.model.sent)
    sent = world.send([(1, LEVEL, "a note that nobody has asked with")])
    world.work()
    assert len(world.base.model.sent) == asked + 1
    assert [corrected for _, corrected in said(world, sent)] == [["min_age"]]
    editing.take_back(title_id(1), LEVEL, "min_age", by="ab", because="x")
    world.clock.advance(60)
    again = world.send([(1, LEVEL, "a note that nobody has asked with")])
    world.work()
    [(answer, corrected)] = said(world, again)
    assert (answer["min_age"], corrected) == (12, [])
