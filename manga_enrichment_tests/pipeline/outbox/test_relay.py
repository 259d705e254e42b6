"""What is due is sent, signed, within a tick; what fails comes back, until it has failed for good."""

import json
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import NAMESPACE_URL, uuid5

import pytest

from manga_enrichment.domain.callbacks.deliveries import LEASE, MAX_ATTEMPTS, DeliveryState, leased
from manga_enrichment.domain.callbacks.signatures import partner_signing_key, verify
from manga_enrichment.domain.requests.states import RequestState
from manga_enrichment.gateways.errors import StoreUnavailableError
from manga_enrichment.gateways.notify import CallbackAnswer, Notification
from manga_enrichment.pipeline.outbox.announce import NotificationPolicy
from manga_enrichment.pipeline.outbox.relay import LANES_PER_RECEIVER, START_SECONDS, TOGETHER, Handled
from manga_enrichment_tests.outbox_fakes import (
    MASTER,
    PARTNER,
    PARTNER_TOPIC,
    REQUEST_ID,
    RESULTS_TOPIC,
    SILENT,
    TAKEN,
    URL,
    OutboxWorld,
    ended,
)

UNAVAILABLE = CallbackAnswer(503, "the receiver answered with status 503")


@pytest.fixture
def world() -> OutboxWorld:
    """One ended request whose partner wants a callback."""
    world = OutboxWorld()
    world.settle()
    world.outbox_writer.announce(ended(), callback_url=URL)
    return world


def test_a_callback_is_delivered_signed_and_the_status_row_knows(world: OutboxWorld) -> None:
    report = world.deliver()
    assert report.counts == Counter({Handled.DELIVERED: 1})
    assert report.sentence() == "1 delivered"
    (posted,) = world.receiver.posted
    assert json.loads(posted.body)["event_id"] == ended().event_id
    key = partner_signing_key(MASTER, PARTNER)
    verify(posted.headers, posted.body, {key.key_id: key.secret}, world.clock.now())
    assert posted.headers["Content-Type"] == "application/json"
    assert world.callback_state() == "callback_delivered"
    assert (world.only.state, world.only.told) == (DeliveryState.DELIVERED, True)


def test_what_is_delivered_is_not_sent_again(world: OutboxWorld) -> None:
    world.deliver()
    world.pass_time(days=2)
    assert world.deliver().sentence() == "nothing is due"
    assert len(world.receiver.posted) == 1


def test_tries_follow_the_schedule_with_the_same_event_and_fresh_signatures(world: OutboxWorld) -> None:
    world.receiver.answers[URL] = [UNAVAILABLE]
    began = world.clock.now()
    for _ in range(24 * 60 * 4):
        world.deliver()
        world.pass_time(seconds=15)
    at = [(posted.at - began).total_seconds() for posted in world.receiver.posted]
    assert at == [0, 15, 75, 315, 1275, 5115, 20475, 81915]
    assert len({posted.body for posted in world.receiver.posted}) == 1
    assert len({posted.headers["X-Manga-Signature"] for posted in world.receiver.posted}) == MAX_ATTEMPTS
    assert world.only.state is DeliveryState.FAILED


def test_a_final_failure_is_told_to_the_status_row_and_changes_nothing_else(world: OutboxWorld) -> None:
    world.receiver.answers[URL] = [CallbackAnswer(410, "the receiver answered with status 410")]
    before = world.requests.get(REQUEST_ID)
    report = world.deliver()
    after = world.requests.get(REQUEST_ID)
    assert before is not None
    assert after is not None
    assert (after.callback_state, after.state) == ("callback_failed", RequestState.COMPLETED)
    assert (after.result_key, after.counts, after.owner, after.generation) == (
        before.result_key,
        before.counts,
        before.owner,
        before.generation,
    )
    assert world.outbox.failed(newest=10) == [world.only]
    (note,) = report.notes
    assert "hooks.acme.example failed for good after 1 tries: the receiver answered with status 410" in note


def test_notes_do_not_give_a_url_away(world: OutboxWorld) -> None:
    world.receiver.answers[URL] = [CallbackAnswer(410, "gone")]
    assert "very-private" not in " ".join(world.deliver().notes)


def test_a_receiver_that_recovers_gets_its_event(world: OutboxWorld) -> None:
    world.receiver.answers[URL] = [UNAVAILABLE, SILENT, CallbackAnswer(429, "later"), TAKEN]
    for _ in range(4):
        world.deliver()
        world.pass_time(hours=1)
    assert world.only.state is DeliveryState.DELIVERED
    assert world.only.attempts == 4
    assert world.callback_state() == "callback_delivered"


def test_a_late_failure_does_not_speak_over_what_a_redrive_brought() -> None:
    world = OutboxWorld()
    world.settle(state=RequestState.FAILED)
    world.outbox_writer.announce(ended(state=RequestState.FAILED), callback_url=URL)
    world.receiver.answers[URL] = [CallbackAnswer(410, "gone")]
    world.settle(state=RequestState.COMPLETED)
    world.deliver()
    assert world.only.state is DeliveryState.FAILED
    assert world.callback_state() == "callback_pending"


def test_without_a_secret_callbacks_wait_unsent_and_say_why(world: OutboxWorld) -> None:
    world.key = None
    report = world.deliver()
    assert report.counts == Counter({Handled.POSTPONED: 1})
    assert report.notes == ["callbacks are never sent unsigned: set MANGA_CALLBACK_SECRET"]
    assert world.receiver.posted == []
    world.key = MASTER
    world.pass_time(minutes=5)
    assert world.deliver().sentence() == "1 delivered"
    assert world.only.attempts == 1


@pytest.mark.parametrize("url", ["file:///etc/passwd", "https://169.254.169.254/", "http://127.0.0.1:1/", "nonsense"])
def test_a_forbidden_url_that_got_into_the_outbox_is_never_called(url: str) -> None:
    world = OutboxWorld()
    world.settle()
    world.outbox_writer.announce(ended(), callback_url=url)
    assert world.deliver().counts == Counter({Handled.FAILED: 1})
    assert world.receiver.posted == []
    assert world.only.problem.startswith("the callback URL must")
    assert world.callback_state() == "callback_failed"


def test_an_allowed_topic_is_published_to_with_the_event_id() -> None:
    world = OutboxWorld(policy=NotificationPolicy(allowed_topics=frozenset({PARTNER_TOPIC})))
    world.outbox_writer.announce(ended(), topic_arn=PARTNER_TOPIC)
    assert world.deliver().sentence() == "1 delivered"
    (published,) = world.notifier.published
    assert (published.topic_arn, published.subject) == (PARTNER_TOPIC, "request.completed")
    assert published.deduplication_id == ended().event_id == json.loads(published.message)["event_id"]


def test_another_topic_is_refused_with_a_reason() -> None:
    world = OutboxWorld()
    world.outbox_writer.announce(ended(), topic_arn=PARTNER_TOPIC)
    assert world.deliver().counts == Counter({Handled.FAILED: 1})
    assert world.notifier.published == []
    (failed,) = world.outbox.failed(newest=1)
    assert failed.problem == "the topic is not one of MANGA_SNS_TOPICS_ALLOWED"


def test_a_topic_that_does_not_answer_is_tried_again() -> None:
    world = OutboxWorld(policy=NotificationPolicy(allowed_topics=frozenset({PARTNER_TOPIC})))
    world.outbox_writer.announce(ended(), topic_arn=PARTNER_TOPIC)
    world.notifier.failures["publish"] = 1
    assert world.deliver().counts == Counter({Handled.RETRY: 1})
    world.pass_time(seconds=15)
    assert world.deliver().counts == Counter({Handled.DELIVERED: 1})


def test_a_topic_closed_to_us_is_tried_again_because_its_policy_may_be_mended() -> None:
    class Closed:
        def publish_all(self, topic_arn: str, notifications: Sequence[Notification]) -> list[str]:
            return ["SNS topic may not be used by this role"] * len(notifications)

    world = OutboxWorld(policy=NotificationPolicy(allowed_topics=frozenset({PARTNER_TOPIC})))
    world.outbox_writer.announce(ended(), topic_arn=PARTNER_TOPIC)
    report = world.relay(notifier=Closed()).deliver_due(10)
    assert report.counts == Counter({Handled.RETRY: 1})
    assert world.only.problem == "SNS topic may not be used by this role"


def topics(count: int) -> OutboxWorld:
    """So many requests whose ends a topic is to hear of."""
    world = OutboxWorld(policy=NotificationPolicy(allowed_topics=frozenset({PARTNER_TOPIC})))
    for number in range(count):
        world.outbox_writer.announce(ended(str(uuid5(NAMESPACE_URL, str(number)))), topic_arn=PARTNER_TOPIC)
    return world


class Counted:
    """A gateway that counts how often its methods are called."""

    def __init__(self, target: object) -> None:
        self._target = target
        self.calls: Counter[str] = Counter()

    def __getattr__(self, name: str) -> object:
        self.calls[name] += 1
        return getattr(self._target, name)


def test_topics_hear_of_ten_ends_with_one_call_and_two_writes() -> None:
    world = topics(8 * TOGETHER)
    outbox, notifier = Counted(world.outbox), Counted(world.notifier)
    report = world.relay(outbox=outbox, notifier=notifier).deliver_due(500)
    assert report.counts == Counter({Handled.DELIVERED: 8 * TOGETHER})
    assert notifier.calls == Counter({"publish_all": 8})
    assert outbox.calls == Counter({"due": 1, "replace_all": 16})
    published = [each.deduplication_id for each in world.notifier.published]
    assert sorted(published) == sorted(each.event_id for each in world.outbox.deliveries.values())
    assert all(each.told for each in world.outbox.deliveries.values())


def test_of_ten_for_one_topic_only_what_was_not_taken_is_tried_again() -> None:
    count = LANES_PER_RECEIVER * TOGETHER
    world = topics(count)
    world.notifier.failures["publish"] = 3
    assert world.deliver().counts == Counter({Handled.DELIVERED: count - 3, Handled.RETRY: 3})
    waiting = [each for each in world.outbox.deliveries.values() if not each.told]
    assert [each.problem for each in waiting] == ["the fake was told to fail in publish"] * 3
    world.pass_time(seconds=30)
    assert world.deliver().counts == Counter({Handled.DELIVERED: 3})
    assert len({each.deduplication_id for each in world.notifier.published}) == len(world.notifier.published) == count


def test_what_another_worker_has_of_ten_is_left_to_it() -> None:
    world = topics(TOGETHER)
    others = world.outbox.due(world.clock.now(), TOGETHER)[:4]

    class Slow:
        """By the time this one has read what is due, another worker has leased some of it."""

        def __getattr__(self, name: str) -> object:
            return getattr(world.outbox, name)

        def due(self, now: datetime, limit: int) -> object:
            found = world.outbox.due(now, limit)
            world.outbox.replace_all([(each, leased(each, now)) for each in others])
            return found

    report = world.relay(outbox=Slow()).deliver_due(500)
    assert report.counts == Counter({Handled.TAKEN: 4, Handled.DELIVERED: TOGETHER - 4})
    assert {each.deduplication_id for each in world.notifier.published}.isdisjoint(each.event_id for each in others)


def test_a_topic_that_is_not_allowed_is_refused_beside_one_that_is() -> None:
    world = OutboxWorld(policy=NotificationPolicy(results_topic=RESULTS_TOPIC))
    world.outbox_writer.announce(ended(), topic_arn=PARTNER_TOPIC)
    assert world.deliver().counts == Counter({Handled.DELIVERED: 1, Handled.FAILED: 1})
    assert [each.topic_arn for each in world.notifier.published] == [RESULTS_TOPIC]


def test_no_ten_begin_when_the_time_of_a_tick_is_over_and_each_keeps_its_own_problem() -> None:
    world = topics(3 * TOGETHER)
    world.notifier.failures["publish"] = 3 * TOGETHER
    world.deliver()
    world.pass_time(minutes=1)

    class Late:
        """The tick's time is over once it knows what is due."""

        def __getattr__(self, name: str) -> object:
            return getattr(world.outbox, name)

        def due(self, now: datetime, limit: int) -> object:
            world.pass_time(seconds=START_SECONDS)
            return world.outbox.due(now, limit)

    before = {each.delivery_id: each.problem for each in world.outbox.deliveries.values()}
    assert world.relay(outbox=Late()).deliver_due(500).counts == Counter({Handled.LEFT: 3 * TOGETHER})
    assert {each.delivery_id: each.problem for each in world.outbox.deliveries.values()} == before
    assert len(set(before.values())) == 2  # some were told the topic was silent before them


def many(world: OutboxWorld, count: int, url: str) -> None:
    for number in range(count):
        world.outbox_writer.announce(ended(str(uuid5(NAMESPACE_URL, f"{url}{number}"))), callback_url=url)


def test_no_try_begins_when_the_time_of_a_tick_is_over() -> None:
    world = OutboxWorld()
    many(world, 40, URL)
    world.receiver.seconds_per_post = 1.0
    began = world.clock.now()
    report = world.deliver()
    latest = max(posted.at for posted in world.receiver.posted)
    others_at_work = LANES_PER_RECEIVER * world.receiver.seconds_per_post  # time passes while they post
    assert latest - began <= timedelta(seconds=START_SECONDS + others_at_work)
    assert report.counts[Handled.LEFT] > 0
    assert report.counts.total() == 40


def test_what_a_tick_had_no_time_for_goes_behind_what_waits_already() -> None:
    world = OutboxWorld()
    many(world, 30, "https://slow.example/")
    world.pass_time(seconds=1)
    world.outbox_writer.announce(ended(), callback_url=URL)
    world.receiver.seconds_per_post = 3.0
    world.deliver(limit=30)
    assert URL not in {posted.url for posted in world.receiver.posted}
    world.receiver.seconds_per_post = 0.0
    world.deliver(limit=5)
    assert URL in {posted.url for posted in world.receiver.posted}


def test_one_silent_receiver_does_not_hold_up_the_others() -> None:
    world = OutboxWorld()
    silent = "https://silent.example/"
    many(world, 50, silent)
    world.pass_time(seconds=1)
    many(world, 20, URL)
    world.receiver.answers[silent] = [SILENT]
    report = world.deliver()
    tries = Counter(posted.url for posted in world.receiver.posted)
    assert tries[URL] == 20
    assert 1 <= tries[silent] <= 4
    assert report.counts[Handled.DELIVERED] == 20
    assert report.counts[Handled.POSTPONED] + report.counts[Handled.RETRY] == 50
    world.pass_time(seconds=5)
    assert world.deliver().sentence() == "nothing is due"


def test_a_silent_receivers_events_all_arrive_once_it_is_back() -> None:
    world = OutboxWorld()
    many(world, 50, URL)
    world.receiver.answers[URL] = [SILENT, SILENT, SILENT, SILENT, TAKEN]
    for _ in range(20):
        world.deliver()
        world.pass_time(seconds=30)
    assert Counter(each.state for each in world.outbox.deliveries.values()) == {DeliveryState.DELIVERED: 50}


def test_of_two_workers_with_the_same_delivery_one_sends(world: OutboxWorld) -> None:
    class Overlapping:
        """Another tick runs whenever this one has read what is due."""

        def __getattr__(self, name: str) -> object:
            return getattr(world.outbox, name)

        def due(self, now: object, limit: int) -> object:
            found = world.outbox.due(world.clock.now(), limit)
            world.deliver()
            return found

    report = world.relay(outbox=Overlapping()).deliver_due(10)
    assert report.counts == Counter({Handled.TAKEN: 1})
    assert len(world.receiver.posted) == 1


def test_a_worker_that_slept_through_its_lease_changes_nothing(world: OutboxWorld) -> None:
    class Frozen:
        """Falls asleep while sending; meanwhile another worker delivers."""

        def post(self, url: str, body: bytes, headers: object) -> CallbackAnswer:
            world.pass_time(seconds=LEASE.total_seconds() + 1)
            world.deliver()
            return CallbackAnswer(410, "gone")

    report = world.relay(sender=Frozen()).deliver_due(10)
    assert report.counts == Counter({Handled.TAKEN: 1})
    assert world.only.state is DeliveryState.DELIVERED
    assert world.callback_state() == "callback_delivered"


def test_an_unreachable_status_table_ends_the_tick_and_costs_no_second_callback(world: OutboxWorld) -> None:
    world.requests.failures["set_callback_state"] = 1
    with pytest.raises(StoreUnavailableError):
        world.deliver()
    world.pass_time(seconds=LEASE.total_seconds())
    assert world.deliver().counts == Counter({Handled.TOLD: 1})
    assert world.callback_state() == "callback_delivered"
    assert len(world.receiver.posted) == 1


def test_an_event_of_no_request_asks_for_no_status_row() -> None:
    world = OutboxWorld(policy=NotificationPolicy(alerts_topic=PARTNER_TOPIC))
    world.outbox_writer.announce(ended("", RequestState.REJECTED, message_id="m-1"))
    assert world.deliver().sentence() == "1 delivered"
