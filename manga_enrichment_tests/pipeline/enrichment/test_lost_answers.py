"""Answers that are billed and hold nothing: asked for again, three nights long, then remembered and named."""

import math

import pytest

from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.gateways.errors import StoreUnavailableError
from manga_enrichment.gateways.model import ModelCall, ModelReply
from manga_enrichment.pipeline.enrichment.outcomes import LOST_NIGHTS
from manga_enrichment.pipeline.health.table_quality import outcome_facts
from manga_enrichment_tests.builders import BUCKET, COMBINED, World, provenance, put_catalog, record, title_id
from manga_enrichment_tests.fakes import DEFAULT_USAGE, ScriptedModel, Step, valid_answer
from manga_enrichment_tests.pipeline.engine.engine_rig import FailingPuts

LEVEL = "reading_level"
MALFORMED = ModelReply("malformed_tool_use", None, DEFAULT_USAGE)
A_NIGHT: list[Step] = [MALFORMED, MALFORMED]


def world_of(steps: list[Step]) -> World:
    """Two titles, the first with these steps."""
    world = World()
    put_catalog(world.tables, [record(1), record(2)])
    world.model = ScriptedModel(world.clock, {title_id(1): steps})
    return world


def night(world: World, number: int, selected: tuple[str, ...] = (LEVEL,)) -> None:
    world.run(f"run-{number}", selected)
    world.clock.advance(24 * 3600)


def lost(world: World) -> tuple[str | None, int | None, bool]:
    row = world.outcomes(LEVEL)[title_id(1)]
    return row["error_class"], row["lost_nights"], row["transient"]


def test_after_three_nights_it_is_remembered_and_asked_no_more() -> None:
    world = world_of(A_NIGHT * LOST_NIGHTS)
    seen = []
    for number in range(1, LOST_NIGHTS + 2):
        night(world, number)
        seen.append(lost(world))
    assert seen == [
        ("malformed_answer", 1, True),
        ("malformed_answer", 2, True),
        ("unanswerable", 3, False),
        ("unanswerable", 3, False),
    ]
    assert world.model.attempts_for(title_id(1)) == 2 * LOST_NIGHTS
    assert world.answers(LEVEL).keys() == {title_id(2)}
    assert outcome_facts(world.tables, LEVEL, [BUCKET]).check_given_up().examples == [f"unanswerable: {title_id(1)}"]


def test_all_that_was_billed_for_it_is_logged_and_booked_once() -> None:
    world = world_of(A_NIGHT * LOST_NIGHTS)
    for number in range(1, LOST_NIGHTS + 2):
        night(world, number)
    rows = [row for row in world.log() if row["manga_id"] == title_id(1) and row["attempt"]]
    assert len(rows) == 2 * LOST_NIGHTS
    assert all(row["cost_micro_usd"] > 0 and row["error_class"] == "malformed_answer" for row in rows)
    assert sum(row["cost_micro_usd"] for row in world.log()) == world.budget.spent(f"day:{provenance().run_date}")[1]


@pytest.mark.parametrize("nights", [1, LOST_NIGHTS - 1])
def test_an_answer_that_comes_before_ends_the_count(nights: int) -> None:
    world = world_of(A_NIGHT * nights)
    for number in range(1, nights + 2):
        night(world, number)
    assert lost(world) == (None, None, False)
    assert world.answers(LEVEL).keys() == {title_id(1), title_id(2)}
    assert outcome_facts(world.tables, LEVEL, [BUCKET]).check_given_up().problems == {}


def test_a_night_that_brought_no_word_neither_counts_nor_ends_the_count() -> None:
    world = world_of([*A_NIGHT, ErrorClass.READ_TIMEOUT, ErrorClass.READ_TIMEOUT, *A_NIGHT, *A_NIGHT])
    for number in range(1, 5):
        night(world, number)
    assert lost(world) == ("unanswerable", 3, False)


def test_a_run_that_writes_twice_counts_once() -> None:
    world = world_of(A_NIGHT)
    night(world, 1)
    world.write(LEVEL, "run-1")
    assert lost(world) == ("malformed_answer", 1, True)


def test_a_kill_before_it_is_remembered_costs_one_night_more() -> None:
    world = world_of(A_NIGHT * (LOST_NIGHTS + 1))
    world.ledger = ledger = FailingPuts(world.clock, world.budget)
    for number in range(1, LOST_NIGHTS):
        night(world, number)
    world.plan("run-3", [LEVEL])
    world.invoke(LEVEL, "run-3")
    ledger.puts_fail_until = math.inf
    with pytest.raises(StoreUnavailableError):
        world.write(LEVEL, "run-3")
    ledger.puts_fail_until = 0.0
    night(world, 4)
    night(world, 5)
    assert lost(world) == ("unanswerable", 4, False)
    assert world.model.attempts_for(title_id(1)) == 2 * (LOST_NIGHTS + 1)


def test_a_combined_call_that_is_given_up_leaves_its_parts_to_single_ones() -> None:
    def step(call: ModelCall) -> ModelReply:
        is_combined = call.prompt.tool_name.endswith(COMBINED)
        return MALFORMED if is_combined else ModelReply("tool_use", valid_answer(call.prompt), DEFAULT_USAGE)

    world = world_of([step] * 9)
    put_catalog(world.tables, [record(number) for number in range(1, 5)])
    for number in range(1, LOST_NIGHTS + 1):
        night(world, number, (COMBINED, LEVEL))
    row = world.outcomes(LEVEL)[title_id(1)]
    assert (row["error_class"], row["via"], row["transient"]) == ("unanswerable", COMBINED, True)
    night(world, LOST_NIGHTS + 1, (COMBINED, LEVEL))
    assert lost(world) == (None, None, False)
    assert world.model.attempts_for(title_id(1)) == 2 * LOST_NIGHTS + 1
