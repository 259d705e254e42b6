"""Messages that were dead letters before anybody claimed their request: none is lost, none goes round for ever."""

import uuid
from dataclasses import replace

import pytest

from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.requests.claims import RequestRow
from manga_enrichment.domain.requests.queues import DEAD_LETTERS, DEAD_LETTERS_FIFO, NORMAL, QUEUES, SESSION
from manga_enrichment.domain.requests.states import RequestState
from manga_enrichment.pipeline.dead_letters.queue import REASON
from manga_enrichment.pipeline.health.dead_requests import RUN_ENDED, Fate
from manga_enrichment_tests.builders import title_id
from manga_enrichment_tests.fakes import ScriptedModel
from manga_enrichment_tests.partner_world import WAYS, PartnerWorld
from manga_enrichment_tests.pipeline.dead_letters.test_dead_requests import (
    CALLBACK,
    ITEMS,
    SESSION_ID,
    assert_books_hold,
    assert_ended_and_told,
    dead_requests,
    die_at,
    redrive,
)


def lose_three_deliveries(world: PartnerWorld, queue: str = NORMAL.name) -> None:
    """Processes that are killed as soon as they have received; the fourth receive is SQS's own."""
    for _ in range(4):
        world.queue.receive(queue, max_messages=1, wait_seconds=0)
        world.clock.advance(QUEUES[queue].visibility_seconds + 60)
    assert world.queue.messages(queue) == []


def no_row(world: PartnerWorld) -> str:
    return world.send(ITEMS, callback_url=CALLBACK)


def accepted(world: PartnerWorld) -> str:
    """As the front writes it, before anybody has claimed it."""
    sent = world.send(ITEMS, callback_url=CALLBACK)
    now = world.clock.now()
    front = RequestRow(
        request_id=sent,
        partner_id="acme",
        schema="batch_analysis",
        state=RequestState.ACCEPTED,
        generation=0,
        owner="",
        queue=NORMAL.name,
        message_id="",
        receipt_handle="",
        submitted_at=now,
        updated_at=now,
        lease_until=now,
        accepted_at=now,
        item_count=len(ITEMS),
    )
    world.requests.accept(front)
    return sent


def deferred(world: PartnerWorld) -> str:
    """Given back, throttled, after an attempt that may have been billed."""
    lost = [ErrorClass.READ_TIMEOUT, *[ErrorClass.THROTTLED] * 60]
    world.base.model = ScriptedModel(world.clock, {title_id(1): lost}, otherwise=ErrorClass.THROTTLED)
    sent = world.send(ITEMS, callback_url=CALLBACK)
    world.work()
    assert world.state(sent) == "deferred"
    assert world.row(sent).cost_micro_usd > 0
    world.base.model = ScriptedModel(world.clock)  # what the first one refused or lost is on no bill
    world.clock.advance(1000)
    return sent


BEFORE = {"no row": no_row, "accepted": accepted, "deferred": deferred}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("before", BEFORE)
def test_what_nobody_claimed_is_sent_again_and_answered(before: str, way: str) -> None:
    world = PartnerWorld(way=way)
    sent = BEFORE[before](world)
    lose_three_deliveries(world)
    assert dead_requests(world).close_all() == {Fate.SENT_AGAIN: 1}
    assert world.queue.messages(DEAD_LETTERS) == []
    assert dead_requests(world).close_all() == {}
    world.drain()
    assert world.state(sent) == "completed"
    assert_ended_and_told(world)
    assert_books_hold(world)


@pytest.mark.parametrize("before", BEFORE)
def test_what_dies_a_second_time_ends_is_told_and_can_be_redriven(before: str) -> None:
    world = PartnerWorld()
    sent = BEFORE[before](world)
    lose_three_deliveries(world)
    dead_requests(world).close_all()
    lose_three_deliveries(world)
    paid = world.row(sent).cost_micro_usd if sent in world.requests.rows else 0
    assert dead_requests(world).close_all() == {Fate.CLOSED: 1}
    row = world.row(sent)
    assert (row.state, row.error_class, row.cost_micro_usd, row.queue) == ("failed", RUN_ENDED, paid, NORMAL.name)
    assert world.result(sent)["status"] == "failed"
    assert_ended_and_told(world)
    assert_books_hold(world)
    assert len(world.queue.messages(DEAD_LETTERS)) == 1
    assert dead_requests(world).close_all() == {}
    assert redrive(world, DEAD_LETTERS).redriven == 1
    world.drain()
    assert world.state(sent) == "completed"


@pytest.mark.parametrize("after_effect", [False, True])
def test_a_look_that_is_killed_at_any_call_is_made_again_and_nothing_is_lost_or_told_twice(
    *, after_effect: bool
) -> None:
    for calls in range(200):
        world = PartnerWorld()
        sent = accepted(world)
        lose_three_deliveries(world)
        died = die_at(world, dead_requests(world).close_all, calls, after_effect=after_effect)
        world.clock.advance(600)
        dead_requests(world).close_all()
        world.drain()
        assert world.state(sent) == "completed", calls
        assert_ended_and_told(world)
        assert_books_hold(world)
        if not died:
            assert calls > 5
            return
    raise AssertionError("it never got through")


@pytest.mark.parametrize("after_effect", [False, True])
def test_ending_what_died_twice_may_be_killed_at_any_call(*, after_effect: bool) -> None:
    for calls in range(200):
        world = PartnerWorld()
        sent = no_row(world)
        lose_three_deliveries(world)
        dead_requests(world).close_all()
        lose_three_deliveries(world)
        died = die_at(world, dead_requests(world).close_all, calls, after_effect=after_effect)
        world.clock.advance(2_000)
        dead_requests(world).close_all()
        assert world.row(sent).error_class == RUN_ENDED, calls
        assert_ended_and_told(world)
        assert_books_hold(world)
        if not died:
            assert calls > 10
            return
    raise AssertionError("it never got through")


def test_a_question_of_a_session_is_sent_again_too() -> None:
    world = PartnerWorld()
    body = {"query": "Which?", "conversation_id": SESSION_ID}
    sent = world.send_envelope("manga_query", body, queue=SESSION.name, group_id=f"acme:{SESSION_ID}")
    lose_three_deliveries(world, SESSION.name)
    assert dead_requests(world).close_all() == {Fate.SENT_AGAIN: 1}
    assert world.queue.messages(DEAD_LETTERS_FIFO) == []
    world.drain(SESSION.name)
    assert world.state(sent) == "completed"


def test_a_copy_that_still_waits_and_the_one_that_goes_back_are_one_request() -> None:
    """Deferred, sent anew, and the old message, which could not be deleted, became a dead letter."""
    world = PartnerWorld()
    sent = deferred(world)
    [waits] = world.queue.messages(NORMAL.name)
    world.queue.send(DEAD_LETTERS, waits.body, attributes={"original_queue": NORMAL.name})
    assert dead_requests(world).close_all() == {Fate.SENT_AGAIN: 1}
    assert len(world.queue.messages(NORMAL.name)) == 2
    world.drain()
    assert world.state(sent) == "completed"
    assert_ended_and_told(world)
    assert_books_hold(world)


@pytest.mark.parametrize("changed", ["another partner's", "rejected", "no request"])
def test_what_is_not_waited_for_stays_where_it_is(changed: str) -> None:
    world = PartnerWorld()
    sent = accepted(world)
    [message] = world.queue.receive(NORMAL.name, max_messages=1, wait_seconds=0)
    world.queue.delete(NORMAL.name, [message.receipt_handle])
    if changed == "another partner's":
        world.requests.rows[sent] = replace(world.row(sent), partner_id="other")
    attributes = {REASON: "invalid_body"} if changed == "rejected" else {}
    body = "not json" if changed == "no request" else message.body
    world.queue.send(DEAD_LETTERS, body, attributes={"original_queue": NORMAL.name, **attributes})
    assert dead_requests(world).close_all() == {}
    assert len(world.queue.messages(DEAD_LETTERS)) == 1
    assert world.queue.messages(NORMAL.name) == []


def test_an_invalid_body_goes_back_once_and_is_rejected_as_ever() -> None:
    world = PartnerWorld()
    sent = world.send_envelope("batch_analysis", {"items": []}, request_id=str(uuid.UUID(int=7, version=4)))
    lose_three_deliveries(world)
    assert dead_requests(world).close_all() == {Fate.SENT_AGAIN: 1}
    world.work()
    assert world.state(sent) == "rejected"
    assert dead_requests(world).close_all() == {}
