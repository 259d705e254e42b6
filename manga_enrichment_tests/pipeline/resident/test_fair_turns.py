"""Turns of many partners at one limiter: it is told how many calls could come."""

import asyncio
import math

from manga_enrichment.pipeline.engine.rate.rate_limiter import RateLimiter
from manga_enrichment.pipeline.resident.fair_turns import FairTurns
from manga_enrichment_tests.fakes import FakeClock


async def test_calls_that_wait_for_their_turn_count_as_wanted_and_those_without_a_place_do_not() -> None:
    clock = FakeClock()
    limiter = RateLimiter(clock, requests_per_minute=60)
    turns = FairTurns(limiter, places=4, clock=clock)
    partner = turns.of("acme")
    calls = [asyncio.create_task(partner.acquire(10, until=math.inf)) for _ in range(10)]
    await clock.sleep(0.05)
    assert limiter.waiting == 3  # one has left, one is at the limiter, two of eight have a place behind it
    await clock.sleep(10)
    assert limiter.waiting == 0  # four are at the model
    permits = [call.result() for call in calls if call.done()]
    assert len(permits) == 4
    for permit in permits:
        assert permit is not None
        partner.settle(permit, 10)
    await clock.sleep(0.05)
    assert limiter.waiting > 0
    for call in calls:
        call.cancel()
    await asyncio.wait(calls)
    assert limiter.waiting == 0
