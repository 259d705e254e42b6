"""Requests that the front accepted and whose message never came: they end, and one that comes after all is answered."""

from datetime import timedelta

import pytest

from manga_enrichment.domain.requests.claims import MESSAGE_LOST
from manga_enrichment.domain.requests.queues import DEAD_LETTERS, NORMAL
from manga_enrichment.gateways.clock import MOST_CLOCK_SKEW
from manga_enrichment.pipeline.health.lost_messages import KEPT, UNDER_WAY, LostMessages
from manga_enrichment_tests.partner_world import PartnerWorld
from manga_enrichment_tests.pipeline.dead_letters.test_dead_requests import die_at
from manga_enrichment_tests.request_rows import accepted_row

SECOND = timedelta(seconds=1)


def lost_messages(world: PartnerWorld) -> LostMessages:
    queue, requests = world.mortal(world.queue), world.mortal(world.requests)
    return LostMessages(queue, requests, world.clock, MOST_CLOCK_SKEW, world.new_owner)


def accepted(world: PartnerWorld) -> str:
    row = accepted_row(world.clock, partner_id="acme")
    world.requests.accept(row)
    return row.request_id


def pass_time(world: PartnerWorld, time: timedelta) -> None:
    world.clock.advance(time.total_seconds())


def test_a_request_whose_message_is_nowhere_ends_and_says_what_to_do() -> None:
    world = PartnerWorld()
    sent = accepted(world)
    pass_time(world, UNDER_WAY)
    assert lost_messages(world).close_all() == 0
    pass_time(world, SECOND)
    assert lost_messages(world).close_all() == 1
    row = world.row(sent)
    assert (row.state, row.error_class, row.item_count) == ("failed", MESSAGE_LOST, 3)
    assert "send it again" in row.reason
    assert row.completed_at == world.clock.now()
    assert lost_messages(world).close_all() == 0


def test_a_message_that_comes_after_all_is_answered() -> None:
    world = PartnerWorld()
    sent = accepted(world)
    pass_time(world, UNDER_WAY + SECOND)
    lost_messages(world).close_all()
    world.send(request_id=sent)
    world.work()
    assert world.state(sent) == "completed"
    assert world.row(sent).error_class == ""


@pytest.mark.parametrize("queue", [NORMAL.name, DEAD_LETTERS])
def test_while_a_queue_holds_anything_it_may_be_that_message(queue: str) -> None:
    world = PartnerWorld()
    sent = accepted(world)
    pass_time(world, UNDER_WAY + SECOND)
    world.queue.send(queue, "another's")
    world.queue.receive(queue, max_messages=1, wait_seconds=0)  # hidden counts, too
    assert lost_messages(world).close_all() == 0
    pass_time(world, KEPT)
    assert lost_messages(world).close_all() == 1
    assert world.state(sent) == "failed"


def test_what_a_worker_has_claimed_is_left_alone() -> None:
    world = PartnerWorld()
    sent = accepted(world)
    world.send(request_id=sent)
    world.tick()
    [waiting] = [accepted_row(world.clock, partner_id="acme", request_id=sent)]
    before = world.row(sent)
    world.requests.unclaimed = lambda *_args, **_how: [waiting]  # type: ignore[method-assign]
    for queue in (NORMAL.name, DEAD_LETTERS):
        world.queue._kept(queue).messages.clear()  # noqa: SLF001
    assert lost_messages(world).close_all() == 0
    assert world.row(sent) == before


@pytest.mark.parametrize("after_effect", [False, True])
def test_killed_at_any_call_it_ends_once(*, after_effect: bool) -> None:
    for calls in range(60):
        world = PartnerWorld()
        sent = accepted(world)
        pass_time(world, UNDER_WAY + SECOND)
        died = die_at(world, lost_messages(world).close_all, calls, after_effect=after_effect)
        if not died:
            assert calls > 3
            return
        lost_messages(world).close_all()
        world.send(request_id=sent)
        pass_time(world, timedelta(minutes=5))
        world.work()
        assert world.state(sent) == "completed"
    raise AssertionError("it never got through")
