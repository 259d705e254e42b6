"""AWS's own redrive moves messages back and tells nobody: their requests are opened again, and only theirs."""

from dataclasses import replace

import pytest

from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.requests.queues import DEAD_LETTERS, NORMAL
from manga_enrichment.gateways.clock import MOST_CLOCK_SKEW
from manga_enrichment.pipeline.dead_letters.queue import DEAD_LETTERED_AT, OWN_ATTRIBUTES
from manga_enrichment_tests.fakes import ScriptedModel
from manga_enrichment_tests.partner_world import PartnerWorld

LATER = MOST_CLOCK_SKEW.total_seconds() + 1


def failed_world() -> tuple[PartnerWorld, str]:
    """A request that failed in a way that may pass; the model answers from now on."""
    world = PartnerWorld()
    world.base.model = ScriptedModel(world.clock, otherwise=ErrorClass.MODEL_TIMEOUT)
    request_id = world.send()
    world.drain()
    assert (world.state(request_id), world.row(request_id).generation) == ("failed", 2)
    world.base.model = ScriptedModel(world.clock)
    return world, request_id


def moved_back_by_aws(world: PartnerWorld, *, with_our_attributes: bool = True) -> None:
    """As a message move task does it: the same body and attributes, a new message id and a new time."""
    [dead] = world.queue.receive(DEAD_LETTERS, max_messages=1, wait_seconds=0)
    attributes = {
        name: value for name, value in dead.attributes.items() if with_our_attributes or name not in OWN_ATTRIBUTES
    }
    world.queue.send(NORMAL.name, dead.body, attributes=attributes, group_id=dead.group_id)
    world.queue.delete(DEAD_LETTERS, [dead.receipt_handle])


@pytest.mark.parametrize(("with_our_attributes", "seconds_later"), [(True, 0), (True, LATER), (False, LATER)])
def test_a_failed_request_is_answered_by_a_new_generation(with_our_attributes: bool, seconds_later: float) -> None:
    world, request_id = failed_world()
    world.clock.advance(seconds_later)
    moved_back_by_aws(world, with_our_attributes=with_our_attributes)
    world.work()
    assert (world.state(request_id), world.row(request_id).generation) == ("completed", 3)
    assert world.queue.messages(NORMAL.name) == []
    world.assert_log_is_whole()
    world.assert_rows_are_whole(request_id)


def test_a_request_that_fails_again_is_a_dead_letter_again_and_can_come_back_again() -> None:
    world, request_id = failed_world()
    world.base.model = ScriptedModel(world.clock, otherwise=ErrorClass.MODEL_TIMEOUT)
    for generation in (3, 4):
        world.clock.advance(LATER)
        moved_back_by_aws(world)
        world.work()
        assert (world.state(request_id), world.row(request_id).generation) == ("failed", generation)
        assert len(world.queue.messages(DEAD_LETTERS)) == 1


def test_a_copy_that_was_sent_before_the_request_failed_opens_nothing() -> None:
    world = PartnerWorld()
    world.base.model = ScriptedModel(world.clock, otherwise=ErrorClass.MODEL_TIMEOUT)
    request_id = world.send()
    world.send(request_id=request_id)
    [first, copy] = world.queue.messages(NORMAL.name)
    assert first.sent_at == copy.sent_at
    world.work()
    world.clock.advance(NORMAL.visibility_seconds + LATER)
    world.drain()
    assert (world.state(request_id), world.row(request_id).generation) == ("failed", 2)
    assert world.queue.messages(NORMAL.name) == []


def test_what_was_a_dead_letter_before_the_request_failed_last_opens_nothing() -> None:
    """A move that was cut short leaves two messages; the second is of an end that is made up for."""
    world, request_id = failed_world()
    [dead] = world.queue.messages(DEAD_LETTERS)
    world.clock.advance(LATER)
    moved_back_by_aws(world)
    world.queue.send(NORMAL.name, dead.body, attributes=dead.attributes, delay_seconds=60)
    world.base.model = ScriptedModel(world.clock, otherwise=ErrorClass.MODEL_TIMEOUT)
    world.clock.advance(2)
    world.work()
    assert world.row(request_id).generation == 3
    world.clock.advance(60)
    world.work()
    assert (world.state(request_id), world.row(request_id).generation) == ("failed", 3)
    assert world.queue.messages(NORMAL.name) == []


def test_an_answered_request_is_not_opened_whatever_a_message_says() -> None:
    world = PartnerWorld()
    request_id = world.send()
    [message] = world.queue.messages(NORMAL.name)
    world.work()
    world.clock.advance(3600)
    said = (world.clock.now()).isoformat(timespec="seconds")
    world.queue.send(NORMAL.name, message.body, attributes={DEAD_LETTERED_AT: said})
    world.work()
    assert (world.state(request_id), world.row(request_id).generation) == ("completed", 1)


def test_another_partners_message_opens_nothing() -> None:
    world, request_id = failed_world()
    [dead] = world.queue.messages(DEAD_LETTERS)
    world.clock.advance(LATER)
    forged = dead.body.replace('"acme"', '"other"')
    assert forged != dead.body
    world.queue.send(NORMAL.name, forged, attributes=dead.attributes, group_id="other")
    world.work()
    assert (world.state(request_id), world.row(request_id).generation) == ("failed", 2)


def test_a_rejected_request_is_opened_by_our_own_attributes_alone() -> None:
    """It is rejected again, unless the rules have changed since; a message without them is what it was."""
    world = PartnerWorld()
    request_id = world.send([(1, "no_such_analysis")])
    world.work()
    [dead] = world.queue.messages(DEAD_LETTERS)
    assert world.state(request_id) == "rejected"
    mended = dead.body.replace("no_such_analysis", "reading_level")
    world.clock.advance(LATER)
    world.queue.send(NORMAL.name, mended)
    world.work()
    assert (world.state(request_id), world.row(request_id).generation) == ("rejected", 1)
    world.queue.send(NORMAL.name, mended, attributes=dead.attributes)
    world.work()
    assert (world.state(request_id), world.row(request_id).generation) == ("completed", 2)


def test_a_row_of_before_ends_were_noted_is_judged_by_its_last_write() -> None:
    world, request_id = failed_world()
    world.requests.rows[request_id] = replace(world.row(request_id), completed_at=None)
    world.clock.advance(LATER)
    moved_back_by_aws(world, with_our_attributes=False)
    world.work()
    assert (world.state(request_id), world.row(request_id).generation) == ("completed", 3)
