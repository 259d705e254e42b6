"""Runs that stay: nobody waits for another request, a session keeps its order, a run ends and is followed."""

import threading
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

import pytest

from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.requests.queues import DEAD_LETTERS, HIGH_PRIORITY, SESSION
from manga_enrichment.gateways.queue import Message
from manga_enrichment.gateways.residents import Resident
from manga_enrichment.pipeline.resident.parts import ResidentSettings
from manga_enrichment.pipeline.resident.room import RoomLimits
from manga_enrichment_tests.builders import title_id
from manga_enrichment_tests.fakes import ScriptedModel
from manga_enrichment_tests.kill_switch import Behind, Outage
from manga_enrichment_tests.partner_world import RESIDENT, PartnerWorld
from manga_enrichment_tests.request_fakes import MemoryQueues
from manga_enrichment_tests.resident_run import live

HIGH = HIGH_PRIORITY.name
LONG = ResidentSettings(life=timedelta(minutes=15))
SESSIONS = ("7c9e6679-7425-40de-944b-000000000001", "7c9e6679-7425-40de-944b-000000000002")


def at(world: PartnerWorld, seconds: float, queue: str = HIGH, **batch: object) -> None:
    """Have a partner send a batch when so much time has passed."""
    queues = world.queue
    assert isinstance(queues, PunctualQueues)
    queues.later.append((seconds, lambda: world.send(queue=queue, **batch)))  # type: ignore[arg-type]


class PunctualQueues(MemoryQueues):
    """Queues that get messages at given seconds: whoever polls then finds them."""

    later: list[tuple[float, object]]

    def receive(
        self, queue: str, *, max_messages: int, wait_seconds: int, visibility_seconds: int | None = None
    ) -> list[Message]:
        now = self._clock.monotonic_seconds()
        for due in [each for each in self.later if each[0] <= now]:
            self.later.remove(due)
            due[1]()  # type: ignore[operator]
        return super().receive(
            queue, max_messages=max_messages, wait_seconds=wait_seconds, visibility_seconds=visibility_seconds
        )


def punctual() -> PartnerWorld:
    world = PartnerWorld(way=RESIDENT, deadline_seconds=4 * 3600)
    queues = PunctualQueues(world.clock)
    queues.later = []
    world.queue = queues
    return world


def seconds_from_start(world: PartnerWorld, request_id: str) -> float:
    row = world.row(request_id)
    return (row.updated_at - row.submitted_at).total_seconds()


def test_what_is_in_the_ledger_never_waits_for_a_request_that_the_model_throttles() -> None:
    """Row 1: the second batch needed no call, and was received when the first one's run had ended, 213 s later."""
    world = punctual()
    world.base.run()  # title 2 is known from now on
    world.base.model = ScriptedModel(world.clock, {title_id(1): [ErrorClass.THROTTLED] * 400})
    slow = world.send([(1, "reading_level", "a note that nobody has paid for")], queue=HIGH)
    at(world, world.clock.monotonic_seconds() + 5, items=[(2, "reading_level")], request_id=REQUEST)
    live(world, [HIGH], settings=ResidentSettings(life=timedelta(seconds=120)))
    assert world.state(REQUEST) == "completed"
    assert seconds_from_start(world, REQUEST) <= 2
    assert world.state(slow) == "deferred"


def test_a_throttled_request_delays_itself_alone_also_at_the_model() -> None:
    world = punctual()
    busy = [ErrorClass.SERVICE_UNAVAILABLE] * 60
    world.base.model = ScriptedModel(world.clock, {title_id(1): busy}, latency_seconds=0.5)
    slow = world.send([(1, "reading_level")], queue=HIGH)
    at(world, 5, items=[(2, "reading_level")], request_id=REQUEST)
    live(world, [HIGH], settings=ResidentSettings(life=timedelta(seconds=120)))
    assert world.state(REQUEST) == "completed"
    assert seconds_from_start(world, REQUEST) <= 6
    assert seconds_from_start(world, slow) > 60 or world.state(slow) == "deferred"


REQUEST = "00000000-0000-4000-8000-0000000000aa"


def ask(world: PartnerWorld, text: str, session: str) -> str:
    body = {"query": text, "conversation_id": session}
    return world.send_envelope("manga_query", body, queue=SESSION.name, group_id=f"acme:{session}")


def test_a_session_keeps_its_order_and_other_sessions_do_not_wait() -> None:
    world = PartnerWorld(way=RESIDENT)
    world.base.model = ScriptedModel(world.clock, latency_seconds=2.0)
    slow = [ask(world, f"question {number}", SESSIONS[0]) for number in range(3)]
    other = ask(world, "another session", SESSIONS[1])
    live(world, [SESSION.name], settings=ResidentSettings(life=timedelta(seconds=40)))
    assert {world.state(each) for each in [*slow, other]} == {"completed"}
    ends = [world.row(each).updated_at for each in slow]
    assert ends == sorted(ends)
    said = [sent.request.prompt.user for sent in world.base.model.sent if "question 2" in sent.request.prompt.user]
    assert "question 0" in said[-1]
    assert "question 1" in said[-1]
    assert world.row(other).updated_at < ends[1]


def test_a_deferred_question_is_taken_up_again_without_a_receive() -> None:
    world = PartnerWorld(way=RESIDENT, deadline_seconds=1)
    world.base.model = ScriptedModel(world.clock, otherwise=ErrorClass.THROTTLED)
    sent = ask(world, "a question", SESSIONS[0])
    live(world, [SESSION.name])
    assert world.state(sent) == "deferred"
    [message] = world.queue.messages(SESSION.name)
    world.base.model = ScriptedModel(world.clock)
    live(world, [SESSION.name], settings=LONG)
    assert (world.state(sent), world.row(sent).generation) == ("completed", 2)
    assert message.receive_count == 1


def test_its_successor_takes_the_slot_and_the_run_finishes_what_it_has() -> None:
    world = PartnerWorld(way=RESIDENT)

    def hand_over(_request: object) -> float:
        now = world.clock.now()
        world.residents.put(Resident("lane", 0, 99, "successor", 1, now, now + timedelta(minutes=15)))
        return 3.0

    world.base.model = ScriptedModel(world.clock, latency_seconds=hand_over)
    sent = world.send(queue=HIGH)
    report = live(world, [HIGH], settings=LONG)
    assert report.ended == "its successor has begun"
    assert world.state(sent) == "completed"
    assert world.clock.monotonic_seconds() < 60
    assert world.residents.rows["lane", 0].run_id == "successor"


def test_a_run_without_its_slot_receives_nothing() -> None:
    world = PartnerWorld(way=RESIDENT)
    now = world.clock.now()
    world.residents.put(Resident("lane", 0, 99, "another", 1, now, now + timedelta(minutes=15)))
    sent = world.send(queue=HIGH)
    report = live(world, [HIGH], epoch=98)
    assert report.ended == "another run has its slot"
    assert sent not in world.requests.rows


def test_told_to_end_it_lets_calls_finish_and_gives_the_rest_back_without_a_receive() -> None:
    world = PartnerWorld(way=RESIDENT)
    stop = threading.Event()

    def be_told(_request: object) -> float:
        stop.set()
        return 1.0

    refused = [ErrorClass.SERVICE_UNAVAILABLE] * 99
    world.base.model = ScriptedModel(world.clock, {title_id(2): refused}, latency_seconds=be_told)
    sent = [world.send([(number, "reading_level")], queue=HIGH) for number in (1, 2)]
    report = live(world, [HIGH], settings=LONG, stop=stop)
    assert report.ended == "it was told to end"
    assert [world.state(each) for each in sent] == ["completed", "deferred"]
    [again] = world.queue.messages(HIGH)
    assert again.receive_count == 0
    world.base.model = ScriptedModel(world.clock)
    world.clock.advance(60)
    live(world, [HIGH])
    assert world.state(sent[1]) == "completed"
    assert world.row(sent[1]).generation == 2


@pytest.mark.parametrize("service", ["dynamodb", "s3"])
def test_while_a_store_is_away_nothing_is_received_and_no_receive_is_burnt(service: str) -> None:
    world, outage = PartnerWorld(way=RESIDENT), Outage()
    if service == "s3":
        world.base.tables = Behind(world.base.tables, outage)  # type: ignore[assignment]
    else:
        world.requests = Behind(world.requests, outage)  # type: ignore[assignment]
    sent = [world.send([(number, "reading_level")], queue=HIGH) for number in range(4)]
    outage.begin()
    live(world, [HIGH], settings=ResidentSettings(life=timedelta(seconds=120)))
    assert [each.receive_count for each in world.queue.messages(HIGH)] == [0] * 4
    outage.end()
    live(world, [HIGH])
    assert {world.state(each) for each in sent} == {"completed"}
    assert world.queue.messages(DEAD_LETTERS) == []


def test_what_was_delivered_for_the_last_time_is_worked_at_alone() -> None:
    """Should it be what kills its runs, the others do not go to the dead letters with it."""
    world = PartnerWorld(way=RESIDENT)
    suspect = world.send([(1, "reading_level")], queue=HIGH)
    for _ in range(2):
        world.queue.receive(HIGH, max_messages=1, wait_seconds=0)
        world.clock.advance(HIGH_PRIORITY.visibility_seconds + 1)
    others = [world.send([(number, "reading_level")], queue=HIGH) for number in (2, 3, 4)]
    open_then: list[int] = []

    def look(request: object) -> float:
        states = [row.state.value for row in world.requests.rows.values()]
        if title_id(1) in str(request):
            open_then.append(states.count("processing"))
        return 1.0

    world.base.model = ScriptedModel(world.clock, latency_seconds=look)
    live(world, [HIGH], settings=ResidentSettings(life=timedelta(seconds=60)))
    assert {world.state(each) for each in [suspect, *others]} == {"completed"}
    assert open_then == [1]


def test_no_more_is_received_than_there_is_room_for() -> None:
    world = PartnerWorld(way=RESIDENT)
    world.base.model = ScriptedModel(world.clock, latency_seconds=8.0)
    for number in range(30):
        world.send([(number % 8, "reading_level", f"note {number}")], queue=HIGH)
    most: list[int] = []

    def count(_request: object) -> float:
        most.append(sum(row.state.value == "processing" for row in world.requests.rows.values()))
        return 8.0

    world.base.model = ScriptedModel(world.clock, latency_seconds=count)
    live(world, [HIGH], settings=ResidentSettings(life=timedelta(seconds=200), room=RoomLimits(calls=4)))
    assert 1 < max(most) <= 4
    assert {row.state.value for row in world.requests.rows.values()} == {"completed"}
    assert len(world.requests.rows) == 30


class FairQueues(MemoryQueues):
    """Orders as SQS' fair queues do: a message of the group with fewest messages in flight goes first."""

    def _receive_batch(self, kept: object, count: int, seconds: int) -> list[Message]:
        messages, now = kept.messages, self._clock.now()  # type: ignore[attr-defined]
        hidden = Counter(each.group_id for each in messages if each.visible_at > now)
        messages.sort(key=lambda each: hidden[each.group_id])
        return super()._receive_batch(kept, count, seconds)  # type: ignore[arg-type]


def latencies(partners: Sequence[tuple[str, int]], *, gap_seconds: float) -> list[float]:
    """Of the last partner's requests, in seconds, when each has sent so many; the last one a while later."""
    world = PartnerWorld(way=RESIDENT, deadline_seconds=4 * 3600)
    world.queue = FairQueues(world.clock)
    world.base.model = ScriptedModel(world.clock, latency_seconds=1.0)
    for partner, count in partners[:-1]:
        for number in range(count):
            world.send([(number % 8, "reading_level", f"{partner} {number}")], queue=HIGH, partner_id=partner)
    small, count = partners[-1]
    own: list[str] = []
    polls = world.queue.receive

    def send_then_receive(queue: str, **options: object) -> list[Message]:
        if not own and world.clock.monotonic_seconds() >= gap_seconds:
            own.extend(
                world.send([(number % 8, "reading_level", f"{small} {number}")], queue=HIGH, partner_id=small)
                for number in range(count)
            )
        return polls(queue, **options)  # type: ignore[arg-type]

    world.queue.receive = send_then_receive  # type: ignore[method-assign]
    live(world, [HIGH], settings=ResidentSettings(life=timedelta(seconds=150), finish_seconds=1))
    assert {world.state(each) for each in own} == {"completed"}
    return sorted(seconds_from_start(world, each) for each in own)


def p95(values: Sequence[float]) -> float:
    return values[max(0, round(0.95 * len(values)) - 1)]


@pytest.mark.slow
def test_a_small_partner_beside_a_large_one_waits_no_more_than_twice_as_long_as_alone() -> None:
    alone = latencies([("small", 40)], gap_seconds=20)
    beside = latencies([("large", 4_000), ("small", 40)], gap_seconds=20)
    assert len(alone) == len(beside) == 40
    assert p95(beside) <= 2 * p95(alone)
