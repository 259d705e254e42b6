"""A run and the table of senders: what it reads, what it leaves there, and that no call waits for it."""

import asyncio
import logging
import math
from dataclasses import replace
from datetime import timedelta

import pytest

from manga_enrichment.domain.operations.quota_lanes import LANE_WEIGHTS
from manga_enrichment.gateways.senders import Learned
from manga_enrichment.pipeline.engine.rate.fair_share import FairShare
from manga_enrichment.pipeline.engine.rate.rate_limiter import FIRST_CALLS_PER_SECOND, RateLimiter
from manga_enrichment.pipeline.engine.rate.share_keeper import ShareKeeper
from manga_enrichment_tests.fakes import FakeClock, MemorySenders
from manga_enrichment_tests.pipeline.engine.rate.senders import made_sender

QUOTA = "a-model"
CONCURRENCY = 256


class Run:
    """A run with something to ask all the time, on the running loop. told: its quota of requests a minute."""

    def __init__(self, table: MemorySenders, clock: FakeClock, name: str, lane: str, told: int | None = 6_000) -> None:
        self.limiter = RateLimiter(clock, requests_per_minute=told)
        share = FairShare(self.limiter, clock, name, lane, LANE_WEIGHTS)
        self.keeper = ShareKeeper(table, QUOTA, share, clock)
        self.sent = 0
        self._asking = [asyncio.create_task(self._ask()) for _ in range(CONCURRENCY)]

    async def _ask(self) -> None:
        while True:
            permit = await self.limiter.acquire(1_000, until=math.inf)
            assert permit is not None
            self.sent += 1
            self.limiter.settle(permit, 1_000)

    async def sent_within(self, clock: FakeClock, seconds: float) -> int:
        before = self.sent
        await clock.sleep(seconds)
        return self.sent - before

    def rest(self) -> None:
        """Nothing more to ask for now."""
        for asking in self._asking:
            asking.cancel()

    async def stop(self) -> None:
        self.rest()
        await self.keeper.stop()


async def test_two_lanes_share_a_told_quota_by_weight_and_the_one_that_stays_gets_it_all() -> None:
    table, clock = MemorySenders(), FakeClock()
    urgent, night = Run(table, clock, "run-1", "urgent"), Run(table, clock, "run-2", "night")
    await clock.sleep(6)
    counts = await asyncio.gather(urgent.sent_within(clock, 60), night.sent_within(clock, 60))
    assert counts[0] / counts[1] == pytest.approx(4.0, rel=0.02)
    assert sum(counts) == pytest.approx(0.99 * 6_000, rel=0.01)
    await urgent.stop()
    assert set(table.items[QUOTA]) == {"run-2"}
    await clock.sleep(3.5)
    assert await night.sent_within(clock, 60) == pytest.approx(0.99 * 6_000, rel=0.01)
    await night.stop()
    assert not table.items[QUOTA]


async def test_a_lane_that_rests_leaves_its_part_within_ten_seconds_and_wakes_without_waiting() -> None:
    table, clock = MemorySenders(), FakeClock()
    urgent, night = Run(table, clock, "run-1", "urgent"), Run(table, clock, "run-2", "night")
    await clock.sleep(10)
    urgent.rest()
    await clock.sleep(10)
    assert await night.sent_within(clock, 10) == pytest.approx(0.99 * 1_000, rel=0.02)
    asked_at = clock.monotonic_seconds()
    assert await urgent.limiter.acquire(1_000, until=math.inf) is not None
    assert clock.monotonic_seconds() == asked_at
    await urgent.stop()
    await night.stop()


async def test_a_run_that_never_reached_the_table_takes_the_part_of_its_lane() -> None:
    table, clock = MemorySenders(), FakeClock()
    table.is_away = True
    night = Run(table, clock, "run-1", "night")
    part = LANE_WEIGHTS["night"] / sum(LANE_WEIGHTS.values())
    assert await night.sent_within(clock, 60) == pytest.approx(0.99 * 6_000 * part, rel=0.02)
    await night.stop()


async def test_while_the_table_is_away_the_last_shares_hold_and_it_is_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    table, clock = MemorySenders(), FakeClock()
    urgent, night = Run(table, clock, "run-1", "urgent"), Run(table, clock, "run-2", "night")
    await clock.sleep(10)
    table.is_away = True
    with caplog.at_level(logging.WARNING):
        await clock.sleep(60)
    assert await night.sent_within(clock, 60) == pytest.approx(0.99 * 6_000 / 5, rel=0.02)
    assert [record.getMessage() for record in caplog.records] == 2 * [
        "the table of senders is away, so the last shares hold: the table of senders is away"
    ]
    await urgent.stop()
    await night.stop()


async def test_a_run_that_was_killed_is_gone_within_ten_seconds_and_cleared_later() -> None:
    table, clock = MemorySenders(), FakeClock()
    table.write(QUOTA, replace(made_sender("killed", lane="urgent", weight=16.0), at=clock.now()))
    night = Run(table, clock, "run-1", "night")
    assert await night.sent_within(clock, 6) == pytest.approx(6 * 99 / 5, rel=0.05)
    await clock.sleep(4.1)
    assert await night.sent_within(clock, 40) == pytest.approx(40 * 99, rel=0.02)
    assert set(table.items[QUOTA]) == {"run-1"}
    await night.stop()


async def test_one_that_was_killed_an_hour_ago_takes_nothing_from_a_new_run() -> None:
    table, clock = MemorySenders(), FakeClock()
    long_ago = clock.now() - timedelta(hours=1)
    table.write(QUOTA, replace(made_sender("killed", lane="urgent", weight=16.0), at=long_ago))
    night = Run(table, clock, "run-1", "night")
    assert await night.sent_within(clock, 9) == pytest.approx(9 * 99, rel=0.05)
    await night.stop()


@pytest.mark.parametrize(
    ("age_hours", "least", "most"), [(0, 0.85, 0.95), (12, 0.6, 0.65), (24, 0.5, 0.51), (30 * 24, 0.05, 0.06)]
)
def test_an_untold_quota_that_was_learned_is_where_the_next_run_begins(
    age_hours: int, least: float, most: float
) -> None:
    clock = FakeClock()
    limiter, share = sharing(clock)
    share.look([], Learned(100.0, clock.now() - timedelta(hours=age_hours)))
    assert least <= limiter.rate.total / 100.0 <= most
    assert limiter.rate.is_starting == (age_hours > 12)


async def test_what_a_run_learned_is_there_for_the_next_one() -> None:
    table, clock = MemorySenders(), FakeClock()
    run = Run(table, clock, "run-1", "night", told=None)
    run.limiter.rate.begin(50.0, clock.monotonic_seconds())
    await clock.sleep(34)
    assert table.learned[QUOTA].rate >= 50.0 > FIRST_CALLS_PER_SECOND
    await run.stop()


def test_what_met_no_limit_is_where_the_next_run_goes_on_searching() -> None:
    clock = FakeClock()
    first, share = sharing(clock)
    share.look([], None)
    send(first, clock, 100)
    learned = share.learned(None, is_last=True)
    assert learned == Learned(100.0, clock.now(), is_limit=False)
    second, share = sharing(clock)
    share.look([], learned)
    assert (second.rate.total, second.rate.is_starting) == (100.0, True)


def test_one_that_went_faster_before_it_could_read_what_was_learned_goes_on() -> None:
    clock = FakeClock()
    limiter, share = sharing(clock)
    known = Learned(100.0, clock.now(), is_limit=False)
    send(limiter, clock, 200)
    share.look([], known)
    assert limiter.rate.total == 200.0
    assert share.learned(known, is_last=True) == Learned(200.0, clock.now(), is_limit=False)


def test_a_pace_that_nothing_was_sent_at_is_not_learned() -> None:
    clock = FakeClock()
    limiter, share = sharing(clock)
    share.look([], None)
    send(limiter, clock, 100)
    limiter.rate.set(800.0, clock.monotonic_seconds())
    assert share.learned(None, is_last=True) == Learned(100.0, clock.now(), is_limit=False)


def test_a_limit_is_where_the_next_run_stays_near() -> None:
    clock = FakeClock()
    limiter, share = sharing(clock)
    share.look([], Learned(100.0, clock.now()))
    assert (limiter.rate.total, limiter.rate.is_starting) == (90.0, False)


def test_a_run_that_was_not_refused_knows_nothing_new_below_what_was_learned() -> None:
    clock = FakeClock()
    limiter, share = sharing(clock)
    limit = Learned(100.0, clock.now())
    share.look([], limit)
    send(limiter, clock, 100)
    assert share.learned(limit, is_last=True) is None
    limiter.refuse(limiter.take(1_000, waited=True))
    assert share.learned(limit, is_last=True) == Learned(90.0, clock.now())


def test_beyond_a_limit_it_is_none_unless_somebody_was_refused() -> None:
    clock = FakeClock()
    limiter, share = sharing(clock)
    limit = Learned(100.0, clock.now())
    share.look([], limit)
    send(limiter, clock, 120)
    assert not limiter.rate.is_starting
    assert share.learned(limit, is_last=True) == Learned(120.0, clock.now(), is_limit=False)
    limiter.rate.hear_of_refusal(clock.monotonic_seconds())
    assert share.learned(limit, is_last=True) == Learned(120.0, clock.now())


def test_one_that_was_refused_while_it_searched_has_not_found_it() -> None:
    clock = FakeClock()
    limiter, share = sharing(clock)
    share.look([], None)
    send(limiter, clock, 100)
    limiter.refuse(limiter.take(1_000, waited=True))
    assert share.learned(None, is_last=True) is None


def test_a_told_quota_is_not_learned() -> None:
    clock = FakeClock()
    limiter = RateLimiter(clock, requests_per_minute=60)
    share = FairShare(limiter, clock, "run-1", "night", LANE_WEIGHTS)
    share.look([], None)
    limiter.refuse(limiter.take(1_000, waited=True))
    assert share.learned(None, is_last=True) is None


async def test_a_run_that_ends_soon_leaves_what_it_learned() -> None:
    table, clock = MemorySenders(), FakeClock()
    run = Run(table, clock, "run-1", "night", told=None)
    await clock.sleep(0.9)
    run.limiter.rate.set(200.0, clock.monotonic_seconds())
    await clock.sleep(1)
    run.rest()
    await run.stop()
    assert 200.0 <= table.learned[QUOTA].rate <= run.sent
    assert not table.learned[QUOTA].is_limit


async def test_a_run_that_ends_soon_leaves_a_limit_that_another_has_just_found() -> None:
    table, clock = MemorySenders(), FakeClock()
    run = Run(table, clock, "run-1", "night", told=None)
    await clock.sleep(0.9)
    assert run.limiter.rate.tried > FIRST_CALLS_PER_SECOND
    limit = Learned(10_000.0, clock.now())
    table.learn(QUOTA, limit)
    await run.stop()
    assert table.learned[QUOTA] == limit


def sharing(clock: FakeClock) -> tuple[RateLimiter, FairShare]:
    """Of an untold quota."""
    limiter = RateLimiter(clock)
    return limiter, FairShare(limiter, clock, "run-1", "night", LANE_WEIGHTS)


def send(limiter: RateLimiter, clock: FakeClock, per_second: int) -> None:
    """Calls of one second, at that pace."""
    limiter.rate.set(float(per_second), clock.monotonic_seconds())
    for _ in range(per_second):
        clock.advance(1 / (per_second + 1))
        limiter.take(1_000, waited=True)
