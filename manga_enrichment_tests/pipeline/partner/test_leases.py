"""Leases hold through failures of the gateways, and are known to be lost when they are."""

import random
import threading
from datetime import timedelta

import pytest

from manga_enrichment.domain.requests.queues import NORMAL
from manga_enrichment.pipeline.partner.holding.leases import LONGEST_LEASE, RETRY_SECONDS, Heartbeat, Leases
from manga_enrichment.pipeline.partner.stored.units import read_unit
from manga_enrichment.pipeline.partner.work_units import UnitRequest
from manga_enrichment_tests.partner_world import PartnerWorld

VISIBILITY = NORMAL.visibility_seconds


def held(world: PartnerWorld) -> tuple[Leases, UnitRequest]:
    """A claimed request whose lease this process holds."""
    world.send()
    world.tick()
    [request] = read_unit(world.tables, world.launched.pop()).requests
    leases = world.leases()
    leases.add(request, world.row(request.request_id).lease_until)
    return leases, request


def test_a_beat_renews_the_row_and_hides_the_message() -> None:
    world = PartnerWorld()
    leases, request = held(world)
    for _ in range(20):
        world.clock.advance(VISIBILITY / 2)
        leases.beat()
        assert world.tick().received == 0
    assert leases.holds(request.request_id)
    assert world.row(request.request_id).lease_until == world.clock.now() + timedelta(seconds=VISIBILITY)


@pytest.mark.parametrize("seed", range(10))
def test_beats_come_every_third_of_the_visibility_give_or_take(seed: int) -> None:
    world = PartnerWorld()
    leases, request = held(world)
    leases = Leases(world.queue, world.requests, world.clock, random.Random(seed))
    leases.add(request, world.clock.now())
    assert VISIBILITY / 3 * 0.8 <= leases.beat() <= VISIBILITY / 3


def test_a_request_that_was_just_taken_over_is_not_written_a_second_time() -> None:
    world = PartnerWorld()
    leases, request = held(world)
    before = world.row(request.request_id)
    world.clock.advance(5)
    assert VISIBILITY / 3 * 0.8 <= leases.beat() <= VISIBILITY / 3
    assert world.row(request.request_id) == before
    world.clock.advance(VISIBILITY / 3 * 0.8)
    leases.beat()
    assert world.row(request.request_id).lease_until == world.clock.now() + timedelta(seconds=VISIBILITY)


@pytest.mark.parametrize("failing", ["extend", "update"])
def test_a_failed_renewal_is_tried_again_soon(failing: str) -> None:
    world = PartnerWorld()
    leases, request = held(world)
    gateway = world.queue if failing == "extend" else world.requests
    gateway.failures[failing] = 2
    world.clock.advance(VISIBILITY / 2)
    assert leases.beat() == RETRY_SECONDS
    assert leases.beat() == RETRY_SECONDS
    assert leases.beat() > RETRY_SECONDS
    world.clock.advance(VISIBILITY / 2)
    assert leases.holds(request.request_id)
    assert world.tick().received == 0


def test_one_beat_renews_thousands_and_one_failure_among_them_is_its_own() -> None:
    world = PartnerWorld()
    leases, _ = held(world)
    sent = [world.send() for _ in range(300)]
    while world.tick().units:
        for unit in world.launched:
            for request in read_unit(world.tables, unit).requests:
                leases.add(request, world.clock.now())
        world.launched.clear()
    world.requests.failures["update"] = 1
    world.clock.advance(VISIBILITY / 2)
    until = world.clock.now() + timedelta(seconds=VISIBILITY)
    assert leases.beat() == RETRY_SECONDS
    assert sum(world.row(each).lease_until == until for each in sent) in (299, 300)
    leases.beat()
    assert all(world.row(each).lease_until == until for each in sent)


def test_a_lease_that_could_not_be_renewed_is_no_lease() -> None:
    world = PartnerWorld()
    leases, request = held(world)
    world.clock.advance(VISIBILITY + 1)
    assert not leases.holds(request.request_id)


def test_a_lease_that_ran_out_is_taken_up_again_when_nobody_has_claimed_the_request() -> None:
    """After a SIGSTOP: the row is still ours, and the message finds the request live when it comes again."""
    world = PartnerWorld()
    leases, request = held(world)
    world.clock.advance(VISIBILITY + 1)
    leases.beat()
    assert leases.holds(request.request_id)
    assert world.tick().outcomes == {"live": 1}
    world.clock.advance(VISIBILITY / 2)
    leases.beat()
    world.clock.advance(VISIBILITY - 1)
    assert world.tick().received == 0


def test_a_zombie_learns_that_its_request_is_gone() -> None:
    world = PartnerWorld()
    leases, request = held(world)
    world.clock.advance(VISIBILITY + 1)
    world.tick()
    leases.beat()
    assert not leases.holds(request.request_id)
    assert leases.held() == []
    assert world.row(request.request_id).generation == 2


def test_no_lease_is_longer_than_sqs_allows() -> None:
    world = PartnerWorld()
    leases, request = held(world)
    began = world.clock.now()
    while leases.holds(request.request_id):
        assert world.clock.now() - began < LONGEST_LEASE
        world.clock.advance(VISIBILITY / 3)
        leases.beat()
    assert world.clock.now() - began > LONGEST_LEASE - timedelta(minutes=10)


def test_a_dropped_request_is_renewed_no_more() -> None:
    world = PartnerWorld()
    leases, request = held(world)
    before = world.row(request.request_id)
    leases.drop(request.request_id)
    world.clock.advance(10)
    leases.beat()
    assert world.row(request.request_id) == before


def test_one_fault_does_not_end_the_heartbeat() -> None:
    world = PartnerWorld()
    leases, _ = held(world)
    beaten = threading.Event()

    class Faulty(Leases):
        def beat(self) -> float:
            if beaten.is_set():
                return leases.beat()
            beaten.set()
            raise RuntimeError("a fault nobody thought of")

    heart = Heartbeat(Faulty(world.queue, world.requests, world.clock, random.Random(1)))
    heart.start()
    assert beaten.wait(10)
    heart.stop()
