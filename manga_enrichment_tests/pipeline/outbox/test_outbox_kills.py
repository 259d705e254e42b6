"""A process that dies at any step of announcing or delivering: the event arrives, under one id, and the row knows."""

import json
from typing import Any

import pytest

from manga_enrichment.domain.callbacks.deliveries import LEASE, DeliveryState
from manga_enrichment.gateways.notify import CallbackAnswer
from manga_enrichment.pipeline.outbox.announce import NotificationPolicy, OutboxWriter
from manga_enrichment_tests.fake_batch import Killed, Reaper
from manga_enrichment_tests.outbox_fakes import PARTNER_TOPIC, URL, OutboxWorld, ended

MOST_CALLS = 30
GONE = CallbackAnswer(410, "gone")


def settled_world(answer: CallbackAnswer | None = None) -> OutboxWorld:
    world = OutboxWorld(policy=NotificationPolicy(allowed_topics=frozenset({PARTNER_TOPIC})))
    world.settle()
    if answer is not None:
        world.receiver.answers[URL] = [answer]
    return world


def announce(world: OutboxWorld, outbox: Any = None) -> None:
    OutboxWriter(outbox or world.outbox, world.clock, world.policy).announce(
        ended(), callback_url=URL, topic_arn=PARTNER_TOPIC
    )


def deliver(world: OutboxWorld, reaper: Reaper) -> None:
    """One tick in which every call of every gateway goes past the reaper."""
    world.relay(
        outbox=reaper.wrap(world.outbox),
        sender=reaper.wrap(world.receiver),
        notifier=reaper.wrap(world.notifier),
        requests=reaper.wrap(world.requests),
    ).deliver_due(1)


def calls_of_a_delivery(answer: CallbackAnswer | None) -> int:
    world, reaper = settled_world(answer), Reaper(MOST_CALLS, after=False)
    world.outbox_writer.announce(ended(), callback_url=URL)
    deliver(world, reaper)
    return reaper.calls


def recover(world: OutboxWorld) -> None:
    for _ in range(3):
        world.pass_time(seconds=LEASE.total_seconds())
        world.deliver()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("answer", [None, GONE], ids=["taken", "gone"])
def test_a_kill_at_any_step_of_a_delivery_loses_nothing(answer: CallbackAnswer | None, after: bool) -> None:
    steps = calls_of_a_delivery(answer)
    assert steps == 6  # due, lease, send, settle, status row, told
    for at in range(1, steps + 1):
        world = settled_world(answer)
        world.outbox_writer.announce(ended(), callback_url=URL)
        with pytest.raises(Killed):
            deliver(world, Reaper(at, after=after))
        recover(world)
        assert world.only.told, at
        expected = DeliveryState.DELIVERED if answer is None else DeliveryState.FAILED
        assert world.only.state is expected, at
        assert world.callback_state() == ("callback_delivered" if answer is None else "callback_failed"), at
        assert {json.loads(posted.body)["event_id"] for posted in world.receiver.posted} == {ended().event_id}, at
        sent_unnoted = (at, after) in {(3, True), (4, False)}
        assert len(world.receiver.posted) == (2 if sent_unnoted else 1), at


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_kill_while_announcing_is_made_up_for_by_announcing_again(after: bool) -> None:
    world = settled_world()
    with pytest.raises(Killed):
        announce(world, Reaper(1, after=after).wrap(world.outbox))
    world.deliver()
    announce(world)
    recover(world)
    assert [posted.url for posted in world.receiver.posted] == [URL]
    assert [published.topic_arn for published in world.notifier.published] == [PARTNER_TOPIC]
    assert world.callback_state() == "callback_delivered"


def test_a_kill_between_two_that_are_announced_together_is_made_up_for_as_well() -> None:
    world = settled_world()
    [callback, topic] = world.outbox_writer.deliveries(ended(), callback_url=URL, topic_arn=PARTNER_TOPIC)
    world.outbox.add(topic)
    world.deliver()
    announce(world)
    recover(world)
    assert world.outbox.deliveries.keys() == {callback.delivery_id, topic.delivery_id}
    assert [posted.url for posted in world.receiver.posted] == [URL]
    assert [published.topic_arn for published in world.notifier.published] == [PARTNER_TOPIC]
