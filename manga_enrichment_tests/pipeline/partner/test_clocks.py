"""Two instances whose clocks differ work at no request together, and one whose clock is far off at none."""

from collections.abc import Coroutine
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any, TypeVar

import pytest

from manga_enrichment.aws.clock_skew import ClockSkew
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.requests.queues import HIGH_PRIORITY, NORMAL, REQUEST_QUEUES, Queue
from manga_enrichment.gateways.clock import MOST_CLOCK_SKEW
from manga_enrichment.pipeline.partner.holding.leases import first_lease_until, hidden_seconds
from manga_enrichment.pipeline.partner.holding.requeue import LEASE_MARGIN_SECONDS
from manga_enrichment.pipeline.partner.intake import Claimant
from manga_enrichment.pipeline.partner.intake_report import IntakeOutcome, IntakeReport
from manga_enrichment.pipeline.partner.stored.requests import StoredRequests
from manga_enrichment_tests.fakes import FakeClock
from manga_enrichment_tests.partner_world import PartnerWorld
from manga_enrichment_tests.pipeline.partner.test_leases import held
from manga_enrichment_tests.request_fakes import MemoryRequests

_T = TypeVar("_T")
VISIBILITY = NORMAL.visibility_seconds


class OtherClock:
    """The clock of another machine: the same time, told differently."""

    def __init__(self, clock: FakeClock, ahead_seconds: float) -> None:
        self._clock, self._ahead = clock, timedelta(seconds=ahead_seconds)

    def now(self) -> datetime:
        return self._clock.now() + self._ahead

    def monotonic_seconds(self) -> float:
        return self._clock.monotonic_seconds()

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)

    def run(self, main: Coroutine[Any, Any, _T]) -> _T:
        return self._clock.run(main)


def beside(world: PartnerWorld, ahead_seconds: float) -> PartnerWorld:
    """Another instance over the same queues and rows."""
    other = PartnerWorld()
    other.base, other.queue, other.requests = world.base, world.queue, world.requests
    other.clock = OtherClock(world.clock, ahead_seconds)  # type: ignore[assignment]
    return other


def deliver_again(world: PartnerWorld, queue: str = NORMAL.name) -> None:
    """SQS may, at any time."""
    for message in world.queue.messages(queue):
        world.queue.extend(queue, [message.receipt_handle], 0)


@pytest.mark.parametrize("ahead", [-25, 25])
def test_what_one_instance_works_at_another_leaves_alone_to_the_last_second(ahead: int) -> None:
    world = PartnerWorld(max_receives=1_000)
    leases, request = held(world)
    leases.beat()
    while leases.holds(request.request_id):
        deliver_again(world)
        report = beside(world, ahead).tick()
        assert dict(report.outcomes) == {IntakeOutcome.LIVE: 1}
        world.clock.advance(5)
    assert world.row(request.request_id).generation == 1


@pytest.mark.parametrize(("ahead", "deliveries"), [(-25, 2), (0, 1), (25, 1)])
@pytest.mark.parametrize("renewed", [False, True])
def test_what_a_dead_instance_held_is_claimed_at_the_first_delivery(ahead: int, deliveries: int, renewed: bool) -> None:
    """Each delivery counts towards the dead letters. Only an instance that is behind needs one more."""
    world = PartnerWorld()
    leases, request = held(world)
    if renewed:
        world.clock.advance(VISIBILITY / 3)
        leases.beat()
    other, outcomes = beside(world, ahead), []
    for _ in range(3 * VISIBILITY):
        world.clock.advance(1)
        outcomes += other.tick().outcomes
        if world.row(request.request_id).generation == 2:
            break
    assert outcomes == [*[IntakeOutcome.LIVE] * (deliveries - 1), IntakeOutcome.CLAIMED]


def test_an_instance_120_s_ahead_claims_and_receives_nothing_and_says_so_once_per_tick() -> None:
    world = PartnerWorld()
    request_id = world.send()
    other = beside(world, 120)
    skew = ClockSkew(other.clock.now)
    skew.note({"headers": {"date": format_datetime(world.clock.now(), usegmt=True)}})
    other.requests = MemoryRequests(world.clock, skew.check)
    other.requests.rows = world.requests.rows
    with pytest.raises(ConfigurationError, match=r"The clock of this machine is 119 s ahead of AWS's.*synchronise it"):
        other.tick()
    (message,) = world.queue.messages(NORMAL.name)
    assert message.receive_count == 0
    world.work()
    assert world.state(request_id) == "completed"


@pytest.mark.parametrize("skew_seconds", [1, MOST_CLOCK_SKEW.total_seconds(), 60, 600])
@pytest.mark.parametrize("queue", REQUEST_QUEUES, ids=lambda queue: queue.name)
def test_a_first_lease_is_over_for_everybody_when_its_message_shows_again_and_long_enough_to_be_renewed(
    queue: Queue, skew_seconds: float
) -> None:
    received_at, skew = PartnerWorld().clock.now(), timedelta(seconds=skew_seconds)
    until = first_lease_until(queue.name, received_at, skew)
    shows_at = received_at + timedelta(seconds=hidden_seconds(queue.name, skew) or queue.visibility_seconds)
    assert until + skew < shows_at
    assert until - received_at >= timedelta(seconds=queue.visibility_seconds / 3)
    assert timedelta(seconds=LEASE_MARGIN_SECONDS) > MOST_CLOCK_SKEW


def test_a_process_that_dies_at_once_burns_no_second_receive_however_far_clocks_may_be_apart() -> None:
    world, skew = PartnerWorld(), timedelta(seconds=600)
    sent = world.send(queue=HIGH_PRIORITY.name)
    stored = StoredRequests(world.tables)
    claimant = Claimant(world.new_owner, skew, stored)

    def tick() -> IntakeReport:
        return world.intake(claimant).pull(HIGH_PRIORITY.name, 1, world.clock.monotonic_seconds() + 20)

    assert tick().units
    while not (report := tick()).units:
        assert report.received == 0
        world.clock.advance(5)
    assert world.row(sent).generation == 2


def test_a_renewal_hides_the_message_longer_than_the_row_holds() -> None:
    world = PartnerWorld()
    leases, request = held(world)
    world.clock.advance(VISIBILITY / 3)
    leases.beat()
    shows_at = world.clock.now() + timedelta(seconds=VISIBILITY + 1) + MOST_CLOCK_SKEW
    assert world.row(request.request_id).lease_until + MOST_CLOCK_SKEW < shows_at
    world.clock.advance((shows_at - world.clock.now()).total_seconds() - 1)
    assert world.queue.receive(NORMAL.name, max_messages=1, wait_seconds=0) == []
    world.clock.advance(1)
    assert len(world.queue.receive(NORMAL.name, max_messages=1, wait_seconds=0)) == 1
