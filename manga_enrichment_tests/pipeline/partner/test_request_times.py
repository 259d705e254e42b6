"""When a request was accepted, claimed and completed, how long it was at the model: told by row and table, and once."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.domain.requests.queues import DEAD_LETTERS, NORMAL
from manga_enrichment.domain.requests.results import ItemResult, RequestResult
from manga_enrichment.domain.requests.states import RequestState
from manga_enrichment.pipeline.engine.group_commit import LONGEST_WAIT_SECONDS
from manga_enrichment.pipeline.partner.ending.settle import SettleLimits
from manga_enrichment_tests.fakes import START, ScriptedModel
from manga_enrichment_tests.kill_switch import Killed
from manga_enrichment_tests.partner_run import RunInMemory
from manga_enrichment_tests.partner_world import PartnerWorld

SECOND = timedelta(seconds=1)


def published(world: PartnerWorld, request_id: str) -> dict[str, Any]:
    """The first row of `partner_results`."""
    return world.result_rows(request_id)[0]


def test_row_and_table_split_the_time_into_waiting_model_and_ours() -> None:
    world = PartnerWorld()
    world.base.model = ScriptedModel(world.clock, latency_seconds=4)
    sent = world.send([(1, "reading_level"), (2, "reading_level"), (3, "reading_level")])
    world.clock.advance(30)
    world.tick()
    world.clock.advance(7)
    world.run(world.launched.pop())
    row, facts = world.row(sent), published(world, sent)
    told = [row.accepted_at, row.claimed_at, row.completed_at]
    assert 8 <= row.model_seconds < 9, "the first call writes the prompt cache; the two after it are not twice the time"
    assert told[:2] == [START, START + 30 * SECOND]
    saving = told[2] - (START + (37 + row.model_seconds) * SECOND)
    assert timedelta(0) <= saving <= timedelta(seconds=2 * LONGEST_WAIT_SECONDS), "two groups of answers are saved"
    names = ("accepted_at", "claimed_at", "completed_at", "model_seconds")
    assert [facts[name] for name in names] == [*told, row.model_seconds]
    assert facts["queue"] == NORMAL.name
    assert datetime.fromisoformat(world.result(sent)["completed_at"]) == row.completed_at


def test_a_deferred_request_keeps_its_beginning_and_adds_up_its_time_at_the_model() -> None:
    world = PartnerWorld()
    script = {"MNG-00000001": [ErrorClass.SERVICE_UNAVAILABLE] * 20}
    world.base.model = ScriptedModel(world.clock, script, latency_seconds=1)
    sent = world.send()
    world.clock.advance(5)
    world.work()
    first = world.row(sent)
    assert (first.state, first.completed_at) == (RequestState.DEFERRED, None)
    assert first.model_seconds >= 1
    world.base.model = ScriptedModel(world.clock, latency_seconds=3)
    world.clock.advance(400)
    world.work()
    row = world.row(sent)
    assert (row.state, row.generation, row.accepted_at, row.claimed_at) == (
        RequestState.COMPLETED,
        2,
        START,
        START + 5 * SECOND,
    )
    assert row.model_seconds == pytest.approx(first.model_seconds + 3)


def test_settling_a_deferred_request_once_more_counts_its_time_once() -> None:
    world = PartnerWorld()
    world.base.model = ScriptedModel(world.clock, otherwise=ErrorClass.THROTTLED, latency_seconds=1)
    sent = world.send()
    world.tick()
    run = RunInMemory(world, world.launched.pop(), "run-1")
    opened, wanted = run.plan(run.open())
    collected = run.collect(opened, [run.ask(name, opened) for name in wanted])
    run.settle(collected)
    once = world.row(sent).model_seconds
    run.settle(collected)
    assert world.row(sent).model_seconds == once > 0


def test_after_a_kill_the_first_claim_still_counts() -> None:
    world = PartnerWorld()
    sent = world.send()
    world.tick()
    claimed_at = world.row(sent).claimed_at
    world.switch.arm(4, after_effect=True)
    with pytest.raises(Killed):
        world.run(world.launched.pop())
    world.switch.revive()
    world.clock.advance(NORMAL.visibility_seconds)
    world.drain()
    row = world.row(sent)
    assert (row.generation, row.accepted_at, row.claimed_at) == (2, START, claimed_at)


def test_an_answer_that_was_there_takes_no_time_at_the_model() -> None:
    world = PartnerWorld()
    world.base.model = ScriptedModel(world.clock, latency_seconds=4)
    world.send()
    world.work()
    again = world.send()
    world.work()
    assert (world.row(again).state, world.row(again).model_seconds) == (RequestState.COMPLETED, 0)


def test_a_rejected_request_is_over_when_it_is_received() -> None:
    world = PartnerWorld()
    bad = world.send([(1, "no_such_analysis")])
    world.clock.advance(9)
    world.tick()
    row = world.row(bad)
    assert (row.accepted_at, row.claimed_at, row.completed_at) == (START, START + 9 * SECOND, START + 9 * SECOND)


def test_a_redriven_request_is_measured_from_its_redrive() -> None:
    world = PartnerWorld(settle_limits=SettleLimits(max_age=timedelta(minutes=15)))
    world.base.model = ScriptedModel(world.clock, otherwise=ErrorClass.THROTTLED)
    sent = world.send()
    world.drain()
    [letter] = world.queue.messages(DEAD_LETTERS)
    world.clock.advance(86_400)
    world.requests.reopen(sent)
    redriven_at = world.clock.now()
    world.send_text(letter.body)
    world.base.model = ScriptedModel(world.clock, latency_seconds=2)
    world.settle_limits = SettleLimits(max_age=timedelta(days=30))
    world.work()
    row = world.row(sent)
    assert (row.state, row.accepted_at, row.claimed_at) == (RequestState.COMPLETED, redriven_at, redriven_at)
    assert row.model_seconds == 2


def asked(start: float, end: float) -> ItemResult:
    """Asked so many seconds after START."""
    first = int(START.timestamp() * 1000)
    item = ItemResult("reading_level", "MNG-00000001", Outcome.SUCCEEDED)
    return replace(item, asked_from_ms=first + int(start * 1000), asked_until_ms=first + int(end * 1000))


@pytest.mark.parametrize(
    ("spans", "seconds"),
    [
        ([], 0),
        ([(1, 2.5)], 1.5),
        ([(1, 3), (2, 4)], 3),
        ([(1, 9), (2, 3)], 8),
        ([(1, 2), (5, 6)], 2),
        ([(-4, -2), (-1, 1)], 1),
    ],
)
def test_time_at_the_model_is_that_in_which_any_call_was_under_way(
    spans: list[tuple[float, float]], seconds: float
) -> None:
    unasked = ItemResult("reading_level", "MNG-00000002", Outcome.SUCCEEDED)
    items = (unasked, *(asked(*span) for span in spans))
    result = RequestResult("request-1", items, tuple(range(len(items))))
    assert RequestResult.from_document(result.to_document()).model_seconds(START) == seconds
