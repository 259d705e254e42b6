"""RequestQueue: hidden while held, back when not, dead-lettered after three receives, FIFO groups in order."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from manga_enrichment.aws.clients import AwsClients
from manga_enrichment.aws.sqs import SqsQueues
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.requests.queues import Queue
from manga_enrichment.domain.requests.reading.envelope import MAX_MESSAGE_BYTES
from manga_enrichment.gateways.queue import Message, QueueDepth, RequestQueue
from manga_enrichment_tests.fake_clock import FakeClock
from manga_enrichment_tests.request_fakes import MemoryQueues


@dataclass
class World:
    """Two queues of a test's own with their dead-letter queues, and time for their messages to pass."""

    queues: RequestQueue
    standard: str
    fifo: str
    pass_seconds: Callable[[float], None]

    def receive(self, queue: str, count: int = 10, *, visibility_seconds: int = 60) -> list[Message]:
        return self.queues.receive(queue, max_messages=count, wait_seconds=0, visibility_seconds=visibility_seconds)

    def send_fifo(self, group: str, *bodies: str) -> None:
        for body in bodies:
            self.queues.send(self.fifo, body, group_id=group, deduplication_id=f"{group}-{body}")

    def dead_letters(self, queue: str) -> list[Message]:
        return self.receive(f"dlq-{queue}")


@pytest.fixture
def world(kind: str, unique: str, clock: FakeClock, request: pytest.FixtureRequest) -> World:
    tables = [_queue(name) for name in (unique, f"{unique}.fifo")]
    every = {name: queue for pair in tables for name, queue in pair.items()}
    standard, fifo = unique, f"{unique}.fifo"
    if kind == "fake":
        return World(MemoryQueues(clock, every), standard, fifo, clock.advance)
    clients: AwsClients = request.getfixturevalue("aws_clients")
    for queue in sorted(every.values(), key=lambda queue: queue.dead_letters is not None):
        _create(clients.sqs, queue)
    return World(SqsQueues(clients.sqs), standard, fifo, lambda seconds: time.sleep(seconds + 0.1))


def _queue(name: str) -> dict[str, Queue]:
    dead_letters = Queue(f"dlq-{name}", 30, 14, "dead letters")
    return {dead_letters.name: dead_letters, name: Queue(name, 30, 4, "work", dead_letters.name, 3)}


def _create(sqs: Any, queue: Queue) -> None:
    attributes = {"VisibilityTimeout": str(queue.visibility_seconds)}
    if queue.is_fifo:
        attributes |= {
            "FifoQueue": "true",
            "DeduplicationScope": "messageGroup",
            "FifoThroughputLimit": "perMessageGroupId",
        }
    if queue.dead_letters:
        url = sqs.get_queue_url(QueueName=queue.dead_letters)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        attributes["RedrivePolicy"] = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": queue.max_receives})
    sqs.create_queue(QueueName=queue.name, Attributes=attributes)


def bodies(messages: list[Message]) -> list[str]:
    return [message.body for message in messages]


def test_a_message_arrives_as_it_was_sent(world: World) -> None:
    body = '{"title": "港の店 & <co> ]]> 🗻"}\t\r\n'
    before = datetime.now(UTC) - timedelta(minutes=1)
    message_id = world.queues.send(
        world.standard, body, attributes={"reason": "理由", "empty": ""}, group_id="partner-1"
    )
    [message] = world.receive(world.standard)
    assert (message.queue, message.message_id, message.body) == (world.standard, message_id, body)
    assert dict(message.attributes) == {"reason": "理由"}
    assert (message.group_id, message.receive_count) == ("partner-1", 1)
    assert (message.source_queue, message.deduplication_id) == ("", "")
    assert before < message.sent_at < before + timedelta(minutes=10)
    assert message.first_received_at is not None
    assert message.sent_at <= message.first_received_at + timedelta(seconds=1)


def test_an_empty_queue_gives_nothing(world: World) -> None:
    assert world.receive(world.standard) == []
    assert world.queues.depth(world.standard) == QueueDepth(0, 0, 0)


def test_a_received_message_is_hidden_until_its_time_is_over(world: World) -> None:
    world.queues.send(world.standard, "a")
    [first] = world.receive(world.standard, visibility_seconds=1)
    assert world.receive(world.standard) == []
    assert world.queues.depth(world.standard) == QueueDepth(0, 1, 0)
    world.pass_seconds(1)
    [second] = world.receive(world.standard)
    assert (second.message_id, second.receive_count) == (first.message_id, 2)
    assert second.receipt_handle != first.receipt_handle


def test_extending_keeps_a_message_hidden_and_zero_releases_it(world: World) -> None:
    world.queues.send(world.standard, "a")
    [message] = world.receive(world.standard, visibility_seconds=1)
    assert world.queues.extend(world.standard, [message.receipt_handle], 60) == set()
    world.pass_seconds(1)
    assert world.receive(world.standard) == []
    assert world.queues.extend(world.standard, [message.receipt_handle], 0) == set()
    assert bodies(world.receive(world.standard)) == ["a"]


def test_more_than_ten_are_received_extended_and_deleted_in_one_call(world: World) -> None:
    for number in range(23):
        world.queues.send(world.standard, str(number))
    messages = world.receive(world.standard, 22)
    assert len({message.message_id for message in messages}) == 22
    handles = [message.receipt_handle for message in messages]
    assert world.queues.extend(world.standard, handles, 90) == set()
    assert world.queues.delete(world.standard, handles) == set()
    assert world.queues.depth(world.standard) == QueueDepth(1, 0, 0)


def test_nothing_to_extend_or_delete_is_nothing_done(world: World) -> None:
    assert world.queues.extend(world.standard, [], 30) == set()
    assert world.queues.delete(world.standard, []) == set()


def test_a_delayed_message_is_hidden_at_first(world: World) -> None:
    world.queues.send(world.standard, "later", delay_seconds=1)
    assert world.receive(world.standard) == []
    assert world.queues.depth(world.standard) == QueueDepth(0, 0, 1)
    world.pass_seconds(1)
    assert bodies(world.receive(world.standard)) == ["later"]


def test_after_three_receives_a_message_is_a_dead_letter_that_knows_its_queue(world: World) -> None:
    sent = world.queues.send(world.standard, "poison", attributes={"note": "kept"}, group_id="partner-1")
    for expected in (1, 2, 3):
        [message] = world.receive(world.standard)
        assert message.receive_count == expected
        world.queues.extend(world.standard, [message.receipt_handle], 0)
    assert world.receive(world.standard) == []
    [dead] = world.dead_letters(world.standard)
    assert (dead.message_id, dead.body, dict(dead.attributes)) == (sent, "poison", {"note": "kept"})
    assert (dead.source_queue, dead.group_id) == (world.standard, "partner-1")


def test_a_peek_raises_the_receive_count(world: World) -> None:
    world.queues.send(world.standard, "a")
    assert [world.receive(world.standard, visibility_seconds=0)[0].receive_count for _ in range(3)] == [1, 2, 3]


def test_a_stale_handle_cannot_extend(world: World) -> None:
    world.queues.send(world.standard, "a")
    [stale] = world.receive(world.standard, visibility_seconds=1)
    world.pass_seconds(1)
    [current] = world.receive(world.standard)
    handles = [stale.receipt_handle, current.receipt_handle]
    assert world.queues.extend(world.standard, handles, 30) == {stale.receipt_handle}
    world.queues.delete(world.standard, [current.receipt_handle])
    assert world.queues.extend(world.standard, handles, 30) == set(handles)


def test_a_stale_handle_cannot_delete_from_a_fifo_queue(world: World) -> None:
    world.send_fifo("g", "a")
    [stale] = world.receive(world.fifo, visibility_seconds=1)
    world.pass_seconds(1)
    [current] = world.receive(world.fifo)
    assert world.queues.delete(world.fifo, [stale.receipt_handle]) == {stale.receipt_handle}
    assert world.queues.depth(world.fifo) == QueueDepth(0, 1, 0)
    assert world.queues.delete(world.fifo, [current.receipt_handle]) == set()


def test_a_fifo_group_comes_in_order_and_waits_for_what_is_held(world: World) -> None:
    world.send_fifo("one", "1", "2")
    world.send_fifo("two", "1", "2")
    [first] = world.receive(world.fifo, 1)
    assert (first.group_id, first.body, first.deduplication_id) == ("one", "1", "one-1")
    assert [(each.group_id, each.body) for each in world.receive(world.fifo)] == [("two", "1"), ("two", "2")]
    assert world.receive(world.fifo) == []
    world.queues.delete(world.fifo, [first.receipt_handle])
    assert [(each.group_id, each.body) for each in world.receive(world.fifo)] == [("one", "2")]


def test_a_released_fifo_message_comes_again_before_its_successors(world: World) -> None:
    world.send_fifo("g", "1", "2", "3")
    first, second, third = world.receive(world.fifo)
    for released in (second, first):
        world.queues.extend(world.fifo, [released.receipt_handle], 0)
        assert world.receive(world.fifo) == []  # the third is held
    world.queues.extend(world.fifo, [third.receipt_handle], 0)
    assert bodies(world.receive(world.fifo)) == ["1", "2", "3"]


def test_a_failing_fifo_message_holds_its_group_only_until_it_is_dead_lettered(world: World) -> None:
    world.send_fifo("g", "poison", "good")
    for _ in range(3):
        [message] = world.receive(world.fifo, 1)
        assert message.body == "poison"
        world.queues.extend(world.fifo, [message.receipt_handle], 0)
    assert bodies(world.receive(world.fifo, 1)) == ["good"]
    [dead] = world.dead_letters(world.fifo)
    assert (dead.body, dead.group_id, dead.source_queue) == ("poison", "g", world.fifo)


def test_a_fifo_queue_drops_repetitions_within_a_group_even_after_the_first_is_gone(world: World) -> None:
    first = world.queues.send(world.fifo, "a", group_id="g", deduplication_id="same")
    assert world.queues.send(world.fifo, "b", group_id="g", deduplication_id="same") == first
    assert world.queues.send(world.fifo, "c", group_id="h", deduplication_id="same") != first
    messages = world.receive(world.fifo)
    assert bodies(messages) == ["a", "c"]
    world.queues.delete(world.fifo, [message.receipt_handle for message in messages])
    world.queues.send(world.fifo, "d", group_id="g", deduplication_id="same")
    assert world.receive(world.fifo) == []


@pytest.mark.parametrize("illegal", ["\x00", "\x0b", "\x1f", "\ud800", "\ufffe"])
def test_a_character_that_sqs_refuses_is_named_before_anything_is_sent(world: World, illegal: str) -> None:
    with pytest.raises(ValueError, match=f"U\\+{ord(illegal):04X} at character 2 of the body"):
        world.queues.send(world.standard, f"ab{illegal}")
    with pytest.raises(ValueError, match="of reason"):
        world.queues.send(world.standard, "fine", attributes={"reason": illegal})
    assert world.receive(world.standard) == []


def test_the_size_limit_counts_bytes_and_attributes(world: World) -> None:
    world.queues.send(world.standard, "長" * (MAX_MESSAGE_BYTES // 3))
    for body, attributes in (("", {}), ("a" * MAX_MESSAGE_BYTES, {"n": "v"}), ("長" * MAX_MESSAGE_BYTES, {})):
        with pytest.raises(ValueError, match="bytes"):
            world.queues.send(world.standard, body, attributes=attributes)
    with pytest.raises(ValueError, match="more than 10 attributes"):
        world.queues.send(world.standard, "a", attributes={f"n{number}": "v" for number in range(11)})


def test_a_fifo_queue_wants_group_and_deduplication_id(world: World) -> None:
    for group_id, deduplication_id, delay_seconds in (("g", "", 0), ("", "d", 0), ("", "", 0), ("g", "d", 1)):
        with pytest.raises(ValueError, match="needs group_id and deduplication_id"):
            world.queues.send(
                world.fifo,
                "a",
                group_id=group_id,
                deduplication_id=deduplication_id,
                delay_seconds=delay_seconds,
            )


def test_a_missing_queue_is_a_sentence_that_says_what_to_deploy(world: World) -> None:
    missing = f"no-{world.standard}"
    calls: list[Callable[[], object]] = [
        lambda: world.receive(missing),
        lambda: world.queues.send(missing, "a"),
        lambda: world.queues.depth(missing),
        lambda: world.queues.delete(missing, ["handle"]),
        lambda: world.queues.extend(missing, ["handle"], 1),
    ]
    for call in calls:
        with pytest.raises(ConfigurationError, match=r"does not exist: deploy infra/queues\.yaml"):
            call()
