"""What runs of few calls leave of an untold quota, and what a run of many makes of it: in virtual time."""

import heapq
import itertools
import math
from collections import deque
from dataclasses import dataclass

import pytest

from manga_enrichment.domain.operations.quota_lanes import LANE_WEIGHTS
from manga_enrichment.gateways.senders import Learned
from manga_enrichment.pipeline.engine.rate.circuit_breaker import Permit
from manga_enrichment.pipeline.engine.rate.fair_share import FairShare
from manga_enrichment.pipeline.engine.rate.rate_limiter import RateLimiter
from manga_enrichment_tests.pipeline.engine.rate.quota_simulation import SteppedClock

PLACES, LATENCY_SECONDS, REFUSAL_SECONDS = 256, 2.0, 0.05
FEW, MANY = 223, 5_000
HOUR, DAY = 3_600.0, 86_400.0


@dataclass(frozen=True, slots=True)
class Night:
    """learned: None is nothing new. busiest: calls that were sent in one second at most."""

    seconds: float
    refused: int
    busiest: int
    learned: Learned | None


def night(clock: SteppedClock, known: Learned | None, calls: int, per_second: float = math.inf) -> Night:
    """A run alone, which asks for `calls` and ends; per_second: what the service lets in."""
    limiter = RateLimiter(clock)
    share = FairShare(limiter, clock, "run-1", "night", LANE_WEIGHTS)
    share.look([], known)
    began_at, order, waited, busiest = clock.seconds, itertools.count(), False, 0
    ends: list[tuple[float, int, Permit, bool]] = []
    sent, let_in = deque[float](), deque[float]()
    while calls or ends:
        ready_at = limiter.ready_at(1) if calls and len(ends) < PLACES else math.inf
        waited = waited or clock.seconds < ready_at < math.inf
        if ends and ends[0][0] < ready_at:
            clock.seconds, _, permit, is_accepted = heapq.heappop(ends)
            limiter.settle(permit, 1) if is_accepted else limiter.refuse(permit)
            calls += not is_accepted
            continue
        clock.seconds = now = max(clock.seconds, ready_at)
        permit, waited = limiter.take(1, waited=waited), False
        is_accepted = within_a_second(let_in, now) < per_second
        let_in.extend([now] * is_accepted)
        sent.append(now)
        calls, busiest = calls - 1, max(busiest, within_a_second(sent, now))
        takes_seconds = LATENCY_SECONDS if is_accepted else REFUSAL_SECONDS
        heapq.heappush(ends, (now + takes_seconds, next(order), permit, is_accepted))
    learned = share.learned(known, is_last=True)
    return Night(clock.seconds - began_at, limiter.throttled, busiest, learned)


def within_a_second(times: deque[float], now: float) -> int:
    while times and times[0] <= now - 1.0:
        times.popleft()
    return len(times)


def nights(clock: SteppedClock, known: Learned | None, count: int, gap_seconds: float) -> tuple[list[Night], Learned]:
    """Of few calls each, which nothing refuses; what is known after them."""
    seen = []
    for _ in range(count):
        clock.seconds += gap_seconds
        seen.append(night(clock, known, FEW))
        known = seen[-1].learned or known
    assert known is not None
    return seen, known


@pytest.mark.parametrize("gap_seconds", [HOUR, DAY])
def test_nights_that_nothing_refused_learn_no_more_than_they_sent_in_a_second(gap_seconds: float) -> None:
    seen, known = nights(SteppedClock(), None, 12, gap_seconds)
    for each in seen:
        assert each.refused == 0
        assert each.learned is None or (each.learned.rate <= each.busiest and not each.learned.is_limit)
    assert seen[0].learned is not None
    assert seen[0].learned.rate <= known.rate < 2 * seen[0].learned.rate
    assert max(each.seconds for each in seen[1:]) < 0.6 * seen[0].seconds


def test_after_them_a_run_of_many_calls_finds_a_narrow_quota_with_few_refused() -> None:
    clock = SteppedClock()
    _, known = nights(clock, None, 8, HOUR)
    assert known.rate > 50.0
    many = night(clock, known, MANY, per_second=50.0)
    assert many.refused < 0.03 * MANY
    assert many.learned is not None
    assert many.learned.is_limit
    assert many.learned.rate == pytest.approx(50.0, rel=0.1)


def test_short_nights_within_hours_leave_a_limit_as_it_is() -> None:
    clock = SteppedClock()
    limit = Learned(100.0, clock.now())
    seen, known = nights(clock, limit, 6, HOUR)
    assert [each.learned for each in seen] == 6 * [None]
    assert known == limit


def test_short_nights_after_a_day_search_on_from_a_limit_instead_of_keeping_below_it() -> None:
    clock = SteppedClock()
    seen, known = nights(clock, Learned(50.0, clock.now()), 8, DAY)
    unknown = night(clock, None, FEW)
    assert max(each.seconds for each in seen) < 0.75 * unknown.seconds
    assert known.rate > 50.0
    assert not known.is_limit
