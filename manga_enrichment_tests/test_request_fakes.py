"""Where the fakes are stricter than the emulator, because SQS is; and that they fail when told to."""

import pytest

from manga_enrichment.domain.requests.queues import NORMAL, SESSION
from manga_enrichment.gateways.errors import NotifierUnavailableError, QueueUnavailableError, StoreUnavailableError
from manga_enrichment.gateways.queue import Message
from manga_enrichment_tests.fake_clock import FakeClock
from manga_enrichment_tests.request_fakes import MemoryNotifier, MemoryQueues, MemoryRequests


def received(queues: MemoryQueues, queue: str) -> Message:
    queues.send(queue, "a", group_id="g", deduplication_id="d")
    [message] = queues.receive(queue, max_messages=1, wait_seconds=0)
    return message


@pytest.mark.parametrize("queue", [NORMAL.name, SESSION.name])
def test_a_message_whose_time_is_over_cannot_be_hidden_again(queue: str) -> None:
    clock = FakeClock()
    queues = MemoryQueues(clock)
    message = received(queues, queue)
    clock.advance(120)
    assert queues.extend(queue, [message.receipt_handle], 60) == {message.receipt_handle}
    assert queues.depth(queue).visible == 1


def test_a_released_message_cannot_be_hidden_again() -> None:
    queues = MemoryQueues(FakeClock())
    message = received(queues, NORMAL.name)
    assert queues.extend(NORMAL.name, [message.receipt_handle], 0) == set()
    assert queues.extend(NORMAL.name, [message.receipt_handle], 60) == {message.receipt_handle}


def test_a_fifo_queue_takes_no_ack_after_the_time_is_over() -> None:
    clock = FakeClock()
    queues = MemoryQueues(clock)
    message = received(queues, SESSION.name)
    clock.advance(60)
    assert queues.delete(SESSION.name, [message.receipt_handle]) == {message.receipt_handle}
    assert queues.depth(SESSION.name).visible == 1


def test_a_stale_ack_on_a_standard_queue_is_silent_and_does_nothing() -> None:
    clock = FakeClock()
    queues = MemoryQueues(clock)
    stale = received(queues, NORMAL.name)
    clock.advance(120)
    queues.receive(NORMAL.name, max_messages=1, wait_seconds=0)
    assert queues.delete(NORMAL.name, [stale.receipt_handle]) == set()
    assert len(queues.messages(NORMAL.name)) == 1


def test_the_deduplication_window_is_five_minutes() -> None:
    clock = FakeClock()
    queues = MemoryQueues(clock)
    queues.delete(SESSION.name, [received(queues, SESSION.name).receipt_handle])
    clock.advance(299)
    queues.send(SESSION.name, "b", group_id="g", deduplication_id="d")
    assert queues.messages(SESSION.name) == []
    clock.advance(1)
    assert received(queues, SESSION.name).body == "a"


def test_the_fakes_fail_as_often_as_told() -> None:
    clock = FakeClock()
    queues, requests, notifier = MemoryQueues(clock), MemoryRequests(clock), MemoryNotifier()
    queues.failures["depth"] = requests.failures["get"] = notifier.failures["publish"] = 1
    with pytest.raises(QueueUnavailableError):
        queues.depth(NORMAL.name)
    with pytest.raises(StoreUnavailableError):
        requests.get("r")
    with pytest.raises(NotifierUnavailableError):
        notifier.publish("arn", "s", "m")
    assert queues.depth(NORMAL.name).visible == 0
    assert requests.get("r") is None
    notifier.publish("arn", "s", "m")
    assert len(notifier.published) == 1
