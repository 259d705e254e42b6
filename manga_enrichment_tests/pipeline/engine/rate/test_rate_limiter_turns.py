"""Turns at one limiter: their order, deadlines, what is given back, bursts."""

import asyncio
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.pipeline.engine.rate.rate_limiter import (
    DEMAND_HEADROOM,
    FIRST_CALLS_PER_SECOND,
    LATELY_SECONDS,
    SERVED_WITHIN_SECONDS,
    TOLD_SHARE,
    RateLimiter,
    TokenBucket,
)
from manga_enrichment_tests.fakes import FakeClock
from manga_enrichment_tests.pipeline.engine.rate.quota_simulation import SteppedClock


async def test_turns_come_in_the_order_of_asking() -> None:
    clock = FakeClock()
    limiter = RateLimiter(clock, requests_per_minute=60)
    order: list[int] = []

    async def ask(number: int) -> None:
        await limiter.acquire(100, until=math.inf)
        order.append(number)

    await asyncio.gather(*(ask(number) for number in range(10)))
    assert order == list(range(10))
    assert clock.monotonic_seconds() == pytest.approx(9 / 0.99, rel=0.02)


async def test_a_turn_that_would_come_too_late_is_refused_without_waiting_for_it() -> None:
    clock = FakeClock()
    limiter = RateLimiter(clock, requests_per_minute=1)
    assert await limiter.acquire(1, until=10) is not None
    assert await limiter.acquire(1, until=10) is None
    assert clock.monotonic_seconds() < 10


async def test_nobody_gets_a_turn_after_the_deadline() -> None:
    clock = FakeClock()
    limiter = RateLimiter(clock)
    await clock.sleep(11)
    assert await limiter.acquire(1, until=10) is None


async def test_tokens_that_are_given_back_let_the_next_call_go_sooner() -> None:
    clock = FakeClock()
    limiter = RateLimiter(clock, tokens_per_minute=6_000)
    permit = await limiter.acquire(6_000, until=math.inf)
    assert permit is not None
    waiting = asyncio.create_task(limiter.acquire(100, until=math.inf))
    await clock.sleep(1)
    limiter.settle(permit, 100)
    await waiting
    assert clock.monotonic_seconds() < 3


async def test_a_call_that_was_dropped_costs_no_tokens() -> None:
    clock = FakeClock()
    limiter = RateLimiter(clock, tokens_per_minute=6_000)
    for _ in range(20):
        permit = await limiter.acquire(6_000, until=math.inf)
        assert permit is not None
        limiter.drop(permit)
    assert clock.monotonic_seconds() < 30


async def test_someone_who_gives_up_waiting_does_not_block_the_others() -> None:
    clock = FakeClock()
    limiter = RateLimiter(clock, requests_per_minute=60)
    await limiter.acquire(1, until=math.inf)
    impatient = asyncio.create_task(limiter.acquire(1, until=math.inf))
    patient = asyncio.create_task(limiter.acquire(1, until=math.inf))
    await clock.sleep(0.2)
    impatient.cancel()
    assert await patient is not None


def test_a_limiter_that_is_not_used_to_the_full_does_not_speed_up() -> None:
    clock = SteppedClock()
    limiter = RateLimiter(clock)
    for second in range(1, 200):
        clock.seconds = float(second)
        limiter.settle(limiter.take(10, waited=False), 10)
    while limiter.ready_at(10) <= clock.seconds:  # spend the burst
        limiter.take(10, waited=False)
    assert limiter.ready_at(10) == pytest.approx(clock.seconds + 1 / FIRST_CALLS_PER_SECOND)


def test_nothing_leaves_before_the_service_wants_it_to() -> None:
    clock = SteppedClock()
    limiter = RateLimiter(clock, requests_per_minute=6_000)
    limiter.refuse(limiter.take(10, waited=False), retry_after_seconds=30)
    assert limiter.ready_at(10) == 30
    clock.seconds = 30.0
    limiter.take(10, waited=False)
    assert 30.0 < limiter.ready_at(10) < 31.0  # one call finds out, the next waits for what it finds


def test_a_second_of_waiting_is_for_the_refused_call_alone() -> None:
    """Whole seconds have no finer word for "soon"."""
    limiter = RateLimiter(SteppedClock(), requests_per_minute=6_000)
    limiter.refuse(limiter.take(10, waited=False), retry_after_seconds=1)
    assert limiter.ready_at(10) < 0.1


def test_throttled_calls_are_counted() -> None:
    limiter = RateLimiter(SteppedClock())
    limiter.refuse(limiter.take(10, waited=False))
    assert limiter.throttled == 1


@given(
    st.floats(0.1, 10_000),
    st.floats(0.1, 2.0),
    st.lists(st.tuples(st.floats(0, 10), st.floats(0, 1_000)), max_size=40),
)
def test_a_bucket_never_lets_out_more_than_burst_plus_rate(
    per_second: float, burst_seconds: float, steps: list[tuple[float, float]]
) -> None:
    bucket = TokenBucket(per_second, burst_seconds)
    now, taken, largest = 0.0, 0.0, 0.0
    for pause, amount in steps:
        now = max(now + pause, bucket.ready_at(amount, 1.0, now + pause))
        assert bucket.ready_at(amount, 1.0, now) <= now + 1e-6
        bucket.take(amount)
        taken += amount
        largest = max(largest, amount)
    assert taken <= per_second * (now + burst_seconds) + largest + 1e-3 * (1 + taken)


async def test_what_could_be_used_is_what_was_used_lately_and_a_little_more_and_what_waits() -> None:
    clock = FakeClock()
    limiter = RateLimiter(clock, requests_per_minute=600)
    a_call_a_second = 1 / (TOLD_SHARE * 10)
    assert limiter.demand() == 0.0
    for _ in range(6):
        await limiter.acquire(10, until=math.inf)
        await clock.sleep(0.5)
    assert limiter.demand() == pytest.approx(DEMAND_HEADROOM * a_call_a_second)
    waiting = [asyncio.create_task(limiter.acquire(10, until=math.inf)) for _ in range(6)]
    await asyncio.sleep(0)
    limiter.queued = 4  # elsewhere
    assert limiter.waiting == 6 + 4 - 1  # one of them left at once
    used = DEMAND_HEADROOM * (6 + 1) / LATELY_SECONDS
    assert limiter.demand() == pytest.approx(a_call_a_second * (used + 9 / SERVED_WITHIN_SECONDS))
    limiter.queued = 0
    await asyncio.gather(*waiting)
    assert limiter.waiting == 0
    await clock.sleep(LATELY_SECONDS + 0.1)
    assert limiter.demand() == 0.0


async def test_tokens_count_as_they_are_settled() -> None:
    clock = FakeClock()
    limiter = RateLimiter(clock, tokens_per_minute=60_000)
    permit = await limiter.acquire(900, until=math.inf)
    assert permit is not None
    limiter.settle(permit, 300)
    assert limiter.demand() == pytest.approx(DEMAND_HEADROOM * 300 / LATELY_SECONDS / (TOLD_SHARE * 1_000))


async def test_one_who_gives_up_waiting_wants_nothing_any_more() -> None:
    clock = FakeClock()
    limiter = RateLimiter(clock, requests_per_minute=60)
    await limiter.acquire(1, until=math.inf)
    impatient = asyncio.create_task(limiter.acquire(1, until=math.inf))
    await asyncio.sleep(0)
    assert limiter.waiting == 1
    impatient.cancel()
    await asyncio.wait([impatient])
    assert limiter.waiting == 0
