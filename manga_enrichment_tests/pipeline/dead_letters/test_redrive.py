"""Redrive: what was chosen goes back once, the rest stays and is seen once, and an interruption harms nobody."""

import uuid
from dataclasses import asdict, replace

import pytest

from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.requests.claims import AlreadyFinal, AlreadyLive, Claimed
from manga_enrichment.domain.requests.queues import (
    DEAD_LETTERS,
    DEAD_LETTERS_FIFO,
    HIGH_PRIORITY,
    LOW_PRIORITY,
    NORMAL,
    ORDERED,
    SESSION,
)
from manga_enrichment.domain.requests.reading.envelope import MAX_MESSAGE_BYTES
from manga_enrichment.domain.requests.states import RequestState
from manga_enrichment.gateways.errors import QueueUnavailableError, StoreUnavailableError
from manga_enrichment.gateways.queue import QueueDepth
from manga_enrichment.pipeline.dead_letters.redrive import RedriveFilter
from manga_enrichment_tests.pipeline.dead_letters.dead_letter_world import (
    MALFORMED,
    DeadLetterWorld,
    make_body,
    world_with,
)

EVERYTHING = RedriveFilter()


def test_each_message_goes_back_to_the_queue_it_came_from() -> None:
    world = DeadLetterWorld()
    for queue in (HIGH_PRIORITY, NORMAL, LOW_PRIORITY):
        world.fail_three_times(queue.name, make_body(note=queue.name), group_id="acme")
    report = world.redrive.redrive(DEAD_LETTERS, EVERYTHING, limit=100)
    assert (report.redriven, report.examined, report.ended_by) == (3, 3, "empty")
    assert report.targets == {HIGH_PRIORITY.name: 1, NORMAL.name: 1, LOW_PRIORITY.name: 1}
    assert world.dead() == []
    for queue in (HIGH_PRIORITY, NORMAL, LOW_PRIORITY):
        [message] = world.receive(queue.name)
        assert queue.name in message.body
        assert (message.group_id, message.receive_count) == ("acme", 1)
        assert dict(message.attributes) == {"redrives": "1"}


def test_malformed_bodies_go_back_without_a_crash_and_with_their_own_attributes_only() -> None:
    world = DeadLetterWorld()
    for body in MALFORMED:
        world.queues.send(NORMAL.name, body, attributes={"trace": "t"})
        [message] = world.receive(NORMAL.name)
        world.letters.reject(message, "malformed_json", "why")
    report = world.redrive.redrive(DEAD_LETTERS, EVERYTHING, limit=100)
    assert (report.redriven, dict(report.reasons)) == (len(MALFORMED), {"malformed_json": len(MALFORMED)})
    messages = world.receive(NORMAL.name)
    assert [message.body for message in messages] == MALFORMED
    assert {tuple(sorted(message.attributes.items())) for message in messages} == {(("redrives", "1"), ("trace", "t"))}


def test_a_fifo_message_keeps_its_group_and_order() -> None:
    world = DeadLetterWorld()
    for number in range(3):
        for group in ("acme:s-1", "acme:s-2"):
            body = make_body(number=number)
            world.fail_three_times(SESSION.name, body, group_id=group, deduplication_id=f"{group}{number}")
    order = [(message.group_id, message.body) for message in world.dead(DEAD_LETTERS_FIFO)]
    assert world.redrive.redrive(DEAD_LETTERS_FIFO, EVERYTHING, limit=100).redriven == 6
    assert [(message.group_id, message.body) for message in world.receive(SESSION.name)] == order


FILTERS = [
    (RedriveFilter(reasons=frozenset({"model_timeout"})), {"timeout"}),
    (RedriveFilter(reasons=frozenset({"malformed_json", "access_denied"})), {"malformed", "denied"}),
    (RedriveFilter(partners=frozenset({"acme"})), {"timeout", "malformed"}),
    (RedriveFilter(older_than_seconds=60), {"timeout", "denied"}),
    (RedriveFilter(younger_than_seconds=59), {"malformed"}),
    (RedriveFilter(partners=frozenset({"acme"}), older_than_seconds=60), {"timeout"}),
    (RedriveFilter(partners=frozenset({"nobody"})), set[str]()),
]


@pytest.mark.parametrize(("chosen", "expected"), FILTERS, ids=[f"filter-{n}" for n in range(len(FILTERS))])
def test_a_filter_takes_what_fits_all_of_it(chosen: RedriveFilter, expected: set[str]) -> None:
    world, timeout, denied = DeadLetterWorld(), str(uuid.uuid4()), str(uuid.uuid4())
    world.fail_three_times(NORMAL.name, make_body(timeout, partner_id="acme", note="timeout"))
    world.fail_request(timeout, "model_timeout")
    world.fail_three_times(NORMAL.name, make_body(denied, partner_id="other", note="denied"))
    world.fail_request(denied, "access_denied")
    world.clock.advance(60)
    world.fail_three_times(NORMAL.name, "malformed", group_id="acme")
    report = world.redrive.redrive(DEAD_LETTERS, chosen, limit=100)
    bodies = world.drain(NORMAL.name)
    went = {name for name in ("timeout", "denied", "malformed") if any(name in body for body in bodies)}
    assert report.redriven == len(expected)
    assert report.left == 3 - len(expected)
    assert went == expected
    assert world.letters.depth()[DEAD_LETTERS] == QueueDepth(3 - len(expected), 0, 0)


def test_requests_can_be_chosen_by_id() -> None:
    world, wanted = world_with(3), str(uuid.uuid4())
    world.fail_three_times(NORMAL.name, make_body(wanted))
    report = world.redrive.redrive(DEAD_LETTERS, RedriveFilter(request_ids=frozenset({wanted})), limit=100)
    assert (report.examined, report.redriven) == (4, 1)
    assert [wanted in body for body in world.drain(NORMAL.name)] == [True]


def test_filtered_messages_are_received_once_in_a_pass_and_released_after_it() -> None:
    world = world_with(35)
    before = {message.message_id: message.receive_count for message in world.dead()}
    report = world.redrive.redrive(DEAD_LETTERS, RedriveFilter(partners=frozenset({"nobody"})), limit=100)
    assert (report.examined, report.left, report.redriven, report.ended_by) == (35, 35, 0, "empty")
    assert {message.receive_count - before[message.message_id] for message in world.dead()} == {1}
    assert world.letters.depth()[DEAD_LETTERS] == QueueDepth(35, 0, 0)


def test_the_limit_is_kept_and_the_rest_stays_visible() -> None:
    world = world_with(25)
    report = world.redrive.redrive(DEAD_LETTERS, EVERYTHING, limit=13)
    assert (report.redriven, report.ended_by) == (13, "limit")
    assert world.letters.depth()[DEAD_LETTERS] == QueueDepth(12, 0, 0)
    assert len(world.drain(NORMAL.name)) == 13


def test_a_pass_ends_before_what_it_holds_comes_back() -> None:
    world = world_with(40)

    def slow(_line: str) -> None:
        world.clock.advance(100)

    report = world.redrive.redrive(DEAD_LETTERS, RedriveFilter(partners=frozenset({"nobody"})), limit=100, say=slow)
    assert (report.ended_by, report.examined) == ("time", 30)


def test_a_dry_run_tells_the_same_and_moves_nothing() -> None:
    world, closed = world_with(5), str(uuid.uuid4())
    world.fail_three_times(NORMAL.name, make_body(closed))
    world.fail_request(closed, "access_denied")
    rows = dict(world.requests.rows)
    dry = world.redrive.redrive(DEAD_LETTERS, EVERYTHING, limit=100, dry_run=True)
    assert world.requests.rows == rows
    assert world.queues.messages(NORMAL.name) == []
    assert world.letters.depth()[DEAD_LETTERS] == QueueDepth(6, 0, 0)
    real = world.redrive.redrive(DEAD_LETTERS, EVERYTHING, limit=100)
    assert asdict(replace(dry, dry_run=False)) == asdict(real)
    assert "would go back" in dry.sentence()
    assert "6 of 6 went back, 6 to manga-fm-normal" in real.sentence()


def test_a_message_of_unknown_origin_waits_for_a_target() -> None:
    world = DeadLetterWorld()
    world.queues.send(DEAD_LETTERS, make_body())
    report = world.redrive.redrive(DEAD_LETTERS, EVERYTHING, limit=100)
    assert (report.redriven, report.without_queue) == (0, 1)
    assert world.letters.depth()[DEAD_LETTERS] == QueueDepth(1, 0, 0)
    assert world.redrive.redrive(DEAD_LETTERS, EVERYTHING, limit=100, target=LOW_PRIORITY.name).redriven == 1
    assert len(world.drain(LOW_PRIORITY.name)) == 1


def test_a_target_that_cannot_take_the_messages_is_refused_with_those_that_can() -> None:
    world = world_with(1)
    for target in (SESSION.name, DEAD_LETTERS, "nowhere"):
        with pytest.raises(ConfigurationError, match="name one of manga-fm-high-priority, manga-fm-low-priority"):
            world.redrive.redrive(DEAD_LETTERS, EVERYTHING, limit=100, target=target)
    with pytest.raises(ConfigurationError, match="is not one of the dead-letter queues"):
        world.redrive.redrive(NORMAL.name, EVERYTHING, limit=100)
    assert world.letters.depth()[DEAD_LETTERS] == QueueDepth(1, 0, 0)
    assert world.redrive.redrive(DEAD_LETTERS_FIFO, EVERYTHING, limit=1, target=ORDERED.name).redriven == 0


def test_a_message_that_has_no_room_for_an_attribute_is_refused_and_stays() -> None:
    world = DeadLetterWorld()
    world.fail_three_times(NORMAL.name, "x" * MAX_MESSAGE_BYTES)
    report = world.redrive.redrive(DEAD_LETTERS, EVERYTHING, limit=100)
    assert (report.redriven, report.refused) == (0, 1)
    assert world.letters.depth()[DEAD_LETTERS] == QueueDepth(1, 0, 0)


@pytest.mark.parametrize("state", [RequestState.FAILED, RequestState.REJECTED])
def test_a_redriven_request_gets_a_new_generation_although_it_was_closed(state: RequestState) -> None:
    world, request_id = DeadLetterWorld(), str(uuid.uuid4())
    world.fail_three_times(NORMAL.name, make_body(request_id))
    world.fail_request(request_id, "access_denied", state)
    world.redrive.redrive(DEAD_LETTERS, EVERYTHING, limit=1)
    [message] = world.receive(NORMAL.name)
    decision = world.claim(message)
    assert isinstance(decision, Claimed)
    assert decision.row.generation == 2


def test_a_request_that_failed_again_can_be_redriven_again_and_says_how_often_it_was() -> None:
    world = world_with(1)
    for expected in ("1", "2", "3"):
        world.redrive.redrive(DEAD_LETTERS, EVERYTHING, limit=1)
        [message] = world.queues.messages(NORMAL.name)
        assert message.attributes["redrives"] == expected
        for _ in range(4):
            for received in world.receive(NORMAL.name):
                world.queues.extend(NORMAL.name, [received.receipt_handle], 0)


def test_on_a_standard_queue_an_interrupted_redrive_ends_in_one_answer() -> None:
    world, request_id = DeadLetterWorld(), str(uuid.uuid4())
    world.fail_three_times(NORMAL.name, make_body(request_id))
    world.queues.failures["delete"] = 1
    with pytest.raises(QueueUnavailableError):
        world.redrive.redrive(DEAD_LETTERS, EVERYTHING, limit=100)
    world.clock.advance(300)
    assert world.redrive.redrive(DEAD_LETTERS, EVERYTHING, limit=100).redriven == 1
    first, copy = world.receive(NORMAL.name)
    claimed = world.claim(first)
    assert isinstance(claimed, Claimed)
    assert isinstance(world.claim(copy), AlreadyLive)
    row = claimed.row
    for state in (RequestState.PROCESSING, RequestState.COMPLETED):
        world.requests.update(request_id, row.owner, row.generation, state)
    assert isinstance(world.claim(copy), AlreadyFinal)


def test_a_copy_of_an_answered_request_is_only_acked_after_a_redrive() -> None:
    world, request_id = DeadLetterWorld(), str(uuid.uuid4())
    world.fail_three_times(NORMAL.name, make_body(request_id))
    world.fail_request(request_id, "", RequestState.COMPLETED)
    assert world.redrive.redrive(DEAD_LETTERS, EVERYTHING, limit=100).redriven == 1
    [message] = world.receive(NORMAL.name)
    assert isinstance(world.claim(message), AlreadyFinal)


def test_on_a_fifo_queue_an_interrupted_redrive_sends_once() -> None:
    world = DeadLetterWorld()
    world.fail_three_times(SESSION.name, make_body(), group_id="g", deduplication_id="d")
    world.queues.failures["delete"] = 1
    with pytest.raises(QueueUnavailableError):
        world.redrive.redrive(DEAD_LETTERS_FIFO, EVERYTHING, limit=100)
    assert len(world.queues.messages(SESSION.name)) == 1
    [held] = world.dead(DEAD_LETTERS_FIFO)
    world.queues.extend(DEAD_LETTERS_FIFO, [held.receipt_handle], 0)
    assert world.redrive.redrive(DEAD_LETTERS_FIFO, EVERYTHING, limit=100).redriven == 1
    assert len(world.queues.messages(SESSION.name)) == 1
    assert world.dead(DEAD_LETTERS_FIFO) == []


@pytest.mark.parametrize("method", ["send", "read"])
def test_a_pass_that_breaks_off_deletes_what_it_sent_and_releases_the_rest(method: str) -> None:
    world = world_with(8)
    sends = 0
    take = RedriveFilter.takes

    class BreaksOff(RedriveFilter):
        def takes(self, letter: object) -> bool:
            nonlocal sends
            sends += 1
            if sends == 4:
                failures = world.queues.failures if method == "send" else world.requests.failures
                failures["send" if method == "send" else "reopen"] = 1
            return take(self, letter)  # type: ignore[arg-type]

    with pytest.raises((QueueUnavailableError, StoreUnavailableError)):
        world.redrive.redrive(DEAD_LETTERS, BreaksOff(), limit=100)
    assert len(world.drain(NORMAL.name)) == 3
    assert world.letters.depth()[DEAD_LETTERS] == QueueDepth(5, 0, 0)
