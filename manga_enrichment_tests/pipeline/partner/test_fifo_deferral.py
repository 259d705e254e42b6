"""Deferred requests of FIFO queues are tried again in order without being received again, whatever is cut."""

import itertools
from datetime import timedelta

import pytest

from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.requests.queues import DEAD_LETTERS_FIFO, SESSION
from manga_enrichment.pipeline.partner.holding.fifo_deferral import WINDOW
from manga_enrichment.pipeline.partner.holding.leases import LONGEST_LEASE
from manga_enrichment.pipeline.partner.intake_report import IntakeOutcome
from manga_enrichment_tests.fakes import ScriptedModel
from manga_enrichment_tests.partner_world import PartnerWorld

DELAY_SECONDS = 300
SESSION_ID = "7c9e6679-7425-40de-944b-000000000001"


def ask(world: PartnerWorld, text: str) -> str:
    body = {"query": text, "conversation_id": SESSION_ID}
    return world.send_envelope("manga_query", body, queue=SESSION.name, group_id=f"acme:{SESSION_ID}")


def throttled_world() -> tuple[PartnerWorld, str]:
    """A question that was deferred."""
    world = PartnerWorld()
    world.base.model = ScriptedModel(world.clock, otherwise=ErrorClass.THROTTLED)
    sent = ask(world, "first")
    world.work(SESSION.name)
    assert world.state(sent) == "deferred"
    return world, sent


def receives(world: PartnerWorld) -> list[int]:
    return [message.receive_count for message in world.queue.messages(SESSION.name)]


def pass_time(world: PartnerWorld, seconds: float) -> None:
    """Ticks as the daemon makes them, a bit slower, without a run."""
    for _ in range(int(seconds // 20)):
        world.clock.advance(20)
        world.tick(SESSION.name, free_runs=0)
    world.clock.advance(seconds % 20)


def test_work_that_is_throttled_for_hours_does_not_walk_towards_the_dead_letters() -> None:
    world, sent = throttled_world()
    for generation in range(2, 22):
        world.clock.advance(DELAY_SECONDS + 5)
        world.work(SESSION.name)
        assert (world.state(sent), world.row(sent).generation) == ("deferred", generation)
        assert receives(world) == [1]
    world.base.model = ScriptedModel(world.clock)
    world.clock.advance(DELAY_SECONDS + 5)
    world.work(SESSION.name)
    assert world.state(sent) == "completed"
    assert world.queue.messages(SESSION.name) == []
    assert world.queue.messages(DEAD_LETTERS_FIFO) == []


def test_it_is_not_tried_before_its_time() -> None:
    world, sent = throttled_world()
    world.clock.advance(DELAY_SECONDS - 1)
    assert world.tick(SESSION.name).outcomes == {}
    world.clock.advance(2)
    assert world.tick(SESSION.name).outcomes == {IntakeOutcome.RESUMED: 1}
    assert world.tick(SESSION.name).outcomes == {}
    assert world.state(sent) == "queued"


def test_what_stands_behind_it_is_answered_after_it() -> None:
    world, first = throttled_world()
    second = ask(world, "second")
    world.base.model = ScriptedModel(world.clock)
    pass_time(world, DELAY_SECONDS + 5)
    assert second not in world.requests.rows
    world.work(SESSION.name)
    assert (world.state(first), second in world.requests.rows) == ("completed", False)
    world.work(SESSION.name)
    assert world.state(second) == "completed"


def test_while_no_run_is_free_it_waits_without_being_received() -> None:
    world, sent = throttled_world()
    pass_time(world, DELAY_SECONDS + 20 * WINDOW.total_seconds())
    assert (receives(world), world.state(sent)) == ([1], "deferred")
    world.base.model = ScriptedModel(world.clock)
    world.work(SESSION.name)
    assert (world.state(sent), world.row(sent).generation) == ("completed", 2)


def test_when_nobody_looked_in_time_it_is_received_again() -> None:
    world, sent = throttled_world()
    world.base.model = ScriptedModel(world.clock)
    world.clock.advance(DELAY_SECONDS + 2 * WINDOW.total_seconds())
    assert world.tick(SESSION.name).outcomes == {IntakeOutcome.CLAIMED: 1}
    assert receives(world) == [2]
    world.run(world.launched.pop())
    assert world.state(sent) == "completed"


@pytest.mark.slow
def test_after_twelve_hours_sqs_delivers_it_once_more() -> None:
    world, sent = throttled_world()
    began = world.clock.now()
    while receives(world) == [1]:
        assert world.clock.now() - began < LONGEST_LEASE
        world.clock.advance(DELAY_SECONDS + 5)
        world.work(SESSION.name)
    assert world.clock.now() - began > LONGEST_LEASE - timedelta(minutes=20)
    world.base.model = ScriptedModel(world.clock)
    world.clock.advance(DELAY_SECONDS + 5)
    world.work(SESSION.name)
    assert world.state(sent) == "completed"


@pytest.mark.parametrize("after_effect", [False, True])
@pytest.mark.slow
def test_killed_at_any_step_of_giving_back_and_taking_up_it_is_answered_in_order(after_effect: bool) -> None:
    for calls in itertools.count():
        world = PartnerWorld()
        world.base.model = ScriptedModel(world.clock, otherwise=ErrorClass.THROTTLED)
        first, second = ask(world, "first"), ask(world, "second")
        world.switch.arm(calls, after_effect=after_effect)
        killed = False
        for _ in range(2):
            try:
                world.work(SESSION.name)
            except BaseException:  # noqa: BLE001 (what a kill looks like depends on where it hit)
                assert world.switch.dead
                killed = True
                break
            world.clock.advance(DELAY_SECONDS + 5)
        world.switch.revive()
        world.launched.clear()
        world.base.model = ScriptedModel(world.clock)
        world.drain(SESSION.name)
        assert (world.state(first), world.state(second)) == ("completed", "completed"), calls
        assert world.row(first).updated_at <= world.row(second).updated_at
        world.assert_rows_are_whole(first)
        assert world.queue.messages(DEAD_LETTERS_FIFO) == []
        if not killed:
            assert calls > 30
            return
