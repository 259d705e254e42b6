"""DynamoDB or S3 is away: nothing is received, what was received goes back, and no receive is burnt for it."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

import pytest

from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.requests.claims import Claimed, RequestRow
from manga_enrichment.domain.requests.queues import DEAD_LETTERS, DEAD_LETTERS_FIFO, HIGH_PRIORITY, NORMAL, SESSION
from manga_enrichment.gateways.errors import StoreUnavailableError
from manga_enrichment.pipeline.partner.ending.settle import Settling
from manga_enrichment.pipeline.partner.holding.leases import RENEWERS, RETRY_SECONDS
from manga_enrichment.pipeline.partner.holding.requeue import HIDDEN_SECONDS, LEASE_MARGIN_SECONDS
from manga_enrichment.pipeline.partner.intake import IntakeOutcome
from manga_enrichment.pipeline.partner.run_steps import stored_requests, take_over
from manga_enrichment.pipeline.partner.stored.requests import StoredRequests
from manga_enrichment.pipeline.partner.stored.units import read_unit
from manga_enrichment.pipeline.store.flusher import Flusher
from manga_enrichment_tests.kill_switch import Behind, Outage
from manga_enrichment_tests.partner_world import RESIDENT, UNITS, WAYS, PartnerWorld
from manga_enrichment_tests.request_fakes import MemoryRequests
from manga_enrichment_tests.resident_run import live

AWAY_SECONDS = 240
CALLS_UNTIL_CLAIMED = {"dynamodb": 3, "s3": 2}
"""The look, the partners' policies and the claim; the look and the request's body."""
_LOOK_SECONDS = 40
"""More than a run that stays for five seconds takes until it has ended."""
SESSION_ID = "7c9e6679-7425-40de-944b-000000000001"


BOTH_WAYS = pytest.mark.parametrize("way", WAYS)


def world_behind(service: str, **options: Any) -> tuple[PartnerWorld, Outage]:
    """A world with one store, dynamodb or s3, that can go away."""
    world = PartnerWorld(**options)
    return world, put_behind(world, service)


def put_behind(world: PartnerWorld, service: str) -> Outage:
    outage = Outage()
    if service == "s3":
        world.base.tables = Behind(world.base.tables, outage)  # type: ignore[assignment]
    else:
        world.requests = Behind(world.requests, outage)  # type: ignore[assignment]
        world.outbox = Behind(world.outbox, outage)  # type: ignore[assignment]
    return outage


class DeniedRequests(MemoryRequests):
    """Rows that we may read and not write."""

    def claim(self, wanted: RequestRow, now: datetime, *, likely_new: bool = False) -> Claimed:
        raise ConfigurationError("Access to the table was denied")


class AwayWhenSettling(PartnerWorld):
    """DynamoDB goes away when the answers are there."""

    outage: Outage

    def settling(self, bodies: StoredRequests, run_id: str = "run", flusher: Flusher | None = None) -> Settling:
        self.outage.begin()
        return super().settling(bodies, run_id, flusher)


def ask(world: PartnerWorld, text: str) -> str:
    body = {"query": text, "conversation_id": SESSION_ID}
    return world.send_envelope("manga_query", body, queue=SESSION.name, group_id=f"acme:{SESSION_ID}")


def claimed_at(world: PartnerWorld, request_id: str) -> datetime:
    claimed = world.row(request_id).claimed_at
    assert claimed is not None
    return claimed


def receives(world: PartnerWorld, queue: str = NORMAL.name) -> list[int]:
    return [message.receive_count for message in world.queue.messages(queue)]


def look(world: PartnerWorld, queue: str = NORMAL.name) -> Mapping[IntakeOutcome, int]:
    """A tick, or five seconds of a run that stays: what became of the messages that it received."""
    if world.way == UNITS:
        return world.tick(queue).outcomes
    try:
        return live(world, [queue]).received
    except StoreUnavailableError:  # it has no slot
        world.clock.advance(5)
        return {}


def pass_time(world: PartnerWorld, seconds: int, queue: str) -> None:
    """Ticks as the daemon makes them, which find nothing to launch, or runs that stay and receive nothing."""
    until = world.clock.monotonic_seconds() + seconds
    while world.clock.monotonic_seconds() < until:
        if world.way == RESIDENT:
            assert look(world, queue) == {}
        else:
            assert world.tick(queue).units == []
            world.clock.advance(5)


@pytest.mark.parametrize("service", ["dynamodb", "s3"])
def test_what_is_urgent_waits_in_its_queue_while_a_store_is_away(service: str) -> None:
    world, outage = world_behind(service)
    sent = [world.send([(number % 8, "reading_level")], queue=HIGH_PRIORITY.name) for number in range(10)]
    outage.begin()
    for _ in range(AWAY_SECONDS // 5):
        report = world.tick(HIGH_PRIORITY.name)
        assert (report.received, report.away) == (0, "the store is away")
        world.clock.advance(5)
    assert receives(world, HIGH_PRIORITY.name) == [0] * 10
    outage.end()
    world.work(HIGH_PRIORITY.name)
    assert {world.state(each) for each in sent} == {"completed"}
    assert world.queue.messages(DEAD_LETTERS) == []


def test_without_a_free_run_no_store_is_asked() -> None:
    world, outage = world_behind("dynamodb")
    world.send()
    outage.begin()
    assert world.tick(free_runs=0).away == ""
    assert outage.refused == 0


@BOTH_WAYS
@pytest.mark.parametrize("service", ["dynamodb", "s3"])
def test_whenever_a_store_goes_away_nobody_waits_for_ever_or_pays_again(service: str, way: str) -> None:
    """At every call. Two receives are all that a message has here: one outage may burn one."""
    for calls in range(1, 200):
        world, outage = world_behind(service, max_receives=2, way=way)
        if service == "dynamodb":
            world.residents = Behind(world.residents, outage)  # type: ignore[assignment]
        sent = [world.send([(number, "reading_level")], queue=HIGH_PRIORITY.name) for number in range(3)]
        outage.begin(after_calls=calls)
        with suppress(StoreUnavailableError):
            world.work(HIGH_PRIORITY.name)
        if not outage.is_on:
            assert calls > 10
            return
        world.launched.clear()
        pass_time(world, AWAY_SECONDS, HIGH_PRIORITY.name)
        outage.end()
        world.drain(HIGH_PRIORITY.name)
        assert {world.state(each) for each in sent} == {"completed"}, calls
        assert world.queue.messages(DEAD_LETTERS) == [], calls
        assert len(world.base.model.sent) == 3, calls
    raise AssertionError("a tick and its run never got through")


@BOTH_WAYS
@pytest.mark.parametrize("service", ["dynamodb", "s3"])
def test_what_was_received_when_a_store_went_is_sent_anew_as_it_was(service: str, way: str) -> None:
    world, outage = world_behind(service, way=way)
    sent = world.send()
    [before] = world.queue.messages(NORMAL.name)
    outage.begin(after_calls=1)
    assert look(world) == {"returned": 1}
    [after] = world.queue.messages(NORMAL.name)
    assert (after.body, after.attributes, after.group_id) == (before.body, before.attributes, before.group_id)
    assert (after.receive_count, after.message_id != before.message_id) == (0, True)
    outage.end()
    world.clock.advance(NORMAL.visibility_seconds + LEASE_MARGIN_SECONDS - _LOOK_SECONDS)
    assert look(world) == {}  # its row may have a lease, and a live request costs a receive
    world.clock.advance(_LOOK_SECONDS)
    world.work()
    assert world.state(sent) == "completed"


@pytest.mark.parametrize(("service", "way"), [("dynamodb", RESIDENT), ("s3", RESIDENT), ("s3", UNITS)])
def test_what_was_claimed_when_a_store_went_is_sent_anew_and_launches_nothing(service: str, way: str) -> None:
    world, outage = world_behind(service, way=way)
    sent = world.send()
    outage.begin(after_calls=CALLS_UNTIL_CLAIMED[service])
    look(world)
    assert world.launched == []
    assert (receives(world), world.row(sent).generation) == ([0], 1)
    outage.end()
    world.clock.advance(NORMAL.visibility_seconds + LEASE_MARGIN_SECONDS)
    world.work()
    assert (world.state(sent), world.row(sent).generation) == ("completed", 2)


@BOTH_WAYS
def test_a_store_that_refuses_us_is_away_as_well(way: str) -> None:
    """Rights that were taken away are our outage, not the message's fault."""
    world = PartnerWorld(way=way)
    sent = world.send()
    allowed, world.requests = world.requests, DeniedRequests(world.clock)
    assert look(world) == {"returned": 1}
    assert receives(world) == [0]
    world.requests = allowed
    world.drain()
    assert world.state(sent) == "completed"


@BOTH_WAYS
def test_a_session_keeps_its_order_while_a_store_is_away(way: str) -> None:
    world, outage = world_behind("dynamodb", way=way)
    first, second = ask(world, "first"), ask(world, "second")
    outage.begin(after_calls=1)
    assert look(world, SESSION.name) == {"returned": 1}
    assert receives(world, SESSION.name) == [1, 0]
    pass_time(world, AWAY_SECONDS, SESSION.name)
    outage.end()
    assert look(world, SESSION.name) == {}  # hidden, and its session waits behind it
    world.clock.advance(HIDDEN_SECONDS - AWAY_SECONDS)
    world.work(SESSION.name)
    assert world.state(first) == "completed"
    assert second not in world.requests.rows or claimed_at(world, second) >= world.row(first).updated_at
    world.work(SESSION.name)
    assert world.state(second) == "completed"
    assert world.queue.messages(DEAD_LETTERS_FIFO) == []


def held(world: PartnerWorld, count: int) -> tuple[Any, StoredRequests]:
    """Leases on so many requests whose bodies their run has read."""
    for number in range(count):
        world.send([(number % 8, "reading_level")])
    world.tick()
    leases, bodies = world.leases(), StoredRequests(world.tables)
    for key in world.launched:
        taken = take_over(
            read_unit(world.tables, key), "run", requests=world.requests, leases=leases, clock=world.clock
        )
        stored_requests(bodies, taken)
    world.launched.clear()
    return leases, bodies


def test_a_run_that_ends_while_a_store_is_away_gives_everything_back_and_asks_the_store_once() -> None:
    world, outage = world_behind("dynamodb")
    leases, bodies = held(world, 5)
    outage.begin()
    said = world.release(leases, bodies, "the run was ended")
    assert (outage.refused, leases.held()) == (1, [])
    assert len(said) == 5
    assert all(line.endswith("it is given back and comes again later: the store is away") for line in said)
    assert receives(world) == [0] * 5
    outage.end()
    world.drain()
    assert {row.state.value for row in world.requests.rows.values()} == {"completed"}


def test_a_request_whose_body_was_never_read_stays_hidden_for_minutes() -> None:
    world, outage = world_behind("s3")
    sent = world.send()
    world.tick()
    leases, bodies = world.leases(), StoredRequests(world.tables)
    [request] = read_unit(world.tables, world.launched.pop()).requests
    leases.add(request, world.clock.now())
    outage.begin()
    world.release(leases, bodies, "the run was ended")
    outage.end()
    world.clock.advance(HIDDEN_SECONDS - 1)
    assert world.tick().received == 0
    world.clock.advance(1)
    world.work()
    assert world.state(sent) == "completed"


@BOTH_WAYS
def test_answers_that_could_not_be_settled_are_found_again(way: str) -> None:
    world = AwayWhenSettling(way=way)
    world.outage = put_behind(world, "dynamodb")
    sent = world.send()
    world.work()
    assert (world.state(sent), receives(world)) == ("processing", [0])
    world.outage.end()
    world.clock.advance(AWAY_SECONDS)
    world.outage = Outage()  # the next one takes nothing away
    world.work()
    assert (world.state(sent), world.row(sent).generation) == ("completed", 2)
    assert len(world.base.model.sent) == 1


def test_a_lease_outlives_a_store_that_was_away() -> None:
    """Its message stays hidden meanwhile, so the run goes on with what it holds."""
    world, outage = world_behind("dynamodb")
    leases, _ = held(world, 2)
    world.clock.advance(20)
    outage.begin()
    for _ in range(AWAY_SECONDS // 20):
        world.clock.advance(20)
        assert leases.beat() == RETRY_SECONDS
    assert not any(leases.holds(request.request_id) for request in leases.held())
    outage.end()
    assert world.tick().received == 0
    leases.beat()
    assert [leases.holds(request.request_id) for request in leases.held()] == [True, True]
    assert receives(world) == [1, 1]


def test_a_beat_does_not_ask_a_store_that_is_away_for_every_request() -> None:
    world, outage = world_behind("dynamodb")
    leases, _ = held(world, 40)
    world.clock.advance(NORMAL.visibility_seconds / 3)
    outage.begin()
    leases.beat()
    assert RENEWERS <= outage.refused < 2 * RENEWERS
    world.clock.advance(NORMAL.visibility_seconds - 1)
    outage.end()
    assert world.tick().received == 0
