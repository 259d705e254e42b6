"""Who is told of what; put down once, however often it is announced."""

from dataclasses import replace

import pytest

from manga_enrichment.domain.callbacks.deliveries import Channel, DeliveryState, new_delivery
from manga_enrichment.domain.requests.policies import read_policies
from manga_enrichment.domain.requests.states import RequestState
from manga_enrichment.pipeline.outbox.announce import NotificationPolicy
from manga_enrichment_tests.outbox_fakes import ALERTS_TOPIC, PARTNER_TOPIC, RESULTS_TOPIC, URL, OutboxWorld, ended

OWN_TOPICS = NotificationPolicy(results_topic=RESULTS_TOPIC, alerts_topic=ALERTS_TOPIC)


def targets(world: OutboxWorld) -> set[str]:
    return {each.target for each in world.outbox.deliveries.values()}


def test_an_end_is_put_down_for_the_partner_and_for_the_results_topic() -> None:
    world = OutboxWorld(policy=OWN_TOPICS)
    world.outbox_writer.announce(ended(), callback_url=URL, topic_arn=PARTNER_TOPIC)
    assert targets(world) == {URL, PARTNER_TOPIC, RESULTS_TOPIC}
    assert {each.event_id for each in world.outbox.deliveries.values()} == {ended().event_id}


@pytest.mark.parametrize("state", [RequestState.REJECTED, RequestState.FAILED])
def test_what_went_wrong_also_reaches_the_alerts_topic(state: RequestState) -> None:
    world = OutboxWorld(policy=OWN_TOPICS)
    world.outbox_writer.announce(ended(state=state))
    assert targets(world) == {RESULTS_TOPIC, ALERTS_TOPIC}


def test_a_partner_with_a_topic_of_its_own_is_told_there_and_no_other_partner_is() -> None:
    policies = read_policies({"acme": {"results_topic": True}})
    world = OutboxWorld(policy=replace(OWN_TOPICS, partners=policies))
    own = f"{RESULTS_TOPIC}-acme"
    world.outbox_writer.announce(replace(ended(), partner_id="acme"))
    assert targets(world) == {own, RESULTS_TOPIC}
    world.deliver()
    assert {each.state for each in world.outbox.deliveries.values()} == {DeliveryState.DELIVERED}
    others = OutboxWorld(policy=replace(OWN_TOPICS, partners=policies))
    others.outbox_writer.announce(replace(ended(), partner_id="globex"), topic_arn=own)
    others.deliver()
    states = {each.target: each.state for each in others.outbox.deliveries.values()}
    assert states == {own: DeliveryState.FAILED, RESULTS_TOPIC: DeliveryState.DELIVERED}


def test_nobody_is_told_when_nobody_asked() -> None:
    world = OutboxWorld()
    assert world.outbox_writer.announce(ended()) == []
    assert world.outbox.deliveries == {}


def test_a_topic_named_twice_hears_it_once() -> None:
    world = OutboxWorld(policy=OWN_TOPICS)
    world.outbox_writer.announce(ended(), topic_arn=RESULTS_TOPIC)
    assert len(world.outbox.deliveries) == 1


def test_announcing_again_changes_nothing() -> None:
    world = OutboxWorld()
    world.settle()
    world.outbox_writer.announce(ended(), callback_url=URL)
    world.deliver()
    before = world.only
    world.pass_time(hours=1)
    world.outbox_writer.announce(ended(occurred_at=world.clock.now()), callback_url=URL)
    assert world.only == before
    assert world.deliver().sentence() == "nothing is due"
    assert len(world.receiver.posted) == 1


def test_a_failed_delivery_starts_anew_when_it_is_announced_again() -> None:
    world = OutboxWorld(policy=NotificationPolicy())
    world.outbox_writer.announce(ended(), topic_arn=PARTNER_TOPIC)
    world.deliver()
    assert world.outbox.failed(newest=1) == [world.only]
    world.policy = NotificationPolicy(allowed_topics=frozenset({PARTNER_TOPIC}))
    world.outbox_writer.announce(ended(), topic_arn=PARTNER_TOPIC)
    world.deliver()
    assert world.only.state is DeliveryState.DELIVERED


@pytest.mark.parametrize(
    ("channel", "target", "allow_loopback", "allowed"),
    [
        (Channel.CALLBACK, URL, False, True),
        (Channel.CALLBACK, "http://hooks.acme.example/", False, False),
        (Channel.CALLBACK, "file:///etc/passwd", False, False),
        (Channel.CALLBACK, "https://169.254.169.254/latest/", False, False),
        (Channel.CALLBACK, "http://127.0.0.1:8080/", False, False),
        (Channel.CALLBACK, "http://127.0.0.1:8080/", True, True),
        (Channel.CALLBACK, "https://10.0.0.1/", True, False),
        (Channel.TOPIC, PARTNER_TOPIC, False, True),
        (Channel.TOPIC, RESULTS_TOPIC, False, True),
        (Channel.TOPIC, ALERTS_TOPIC, False, True),
        (Channel.TOPIC, "arn:aws:sns:ap-northeast-1:999999999999:stranger", False, False),
        (Channel.TOPIC, "", False, False),
    ],
)
def test_the_policy_says_where_we_send_at_all(
    channel: Channel, target: str, allow_loopback: bool, allowed: bool
) -> None:
    policy = NotificationPolicy(frozenset({PARTNER_TOPIC}), RESULTS_TOPIC, ALERTS_TOPIC, allow_loopback)
    refusal = policy.refusal(new_delivery(ended(), channel, target, ended().occurred_at))
    assert (refusal == "") is allowed


def test_a_policy_without_topics_takes_no_empty_name_for_one() -> None:
    assert NotificationPolicy().refusal(new_delivery(ended(), Channel.TOPIC, "", ended().occurred_at))
