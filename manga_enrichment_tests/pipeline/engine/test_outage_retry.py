"""Gateway calls that outlast an outage, and threads that are not left behind."""

import asyncio
import math
import threading

import pytest

from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.gateways.errors import StoreUnavailableError
from manga_enrichment.pipeline.engine.outage_retry import FIRST_PAUSE_SECONDS, OutageRetry, in_thread
from manga_enrichment_tests.fakes import FakeClock


class Outage:
    """Fails until `ends_at`; remembers when it was tried."""

    def __init__(self, clock: FakeClock, ends_at: float, *, retry_seconds: float = math.inf) -> None:
        self._clock = clock
        self._ends_at = ends_at
        self._retry_seconds = retry_seconds
        self.tried: list[float] = []

    def call(self, value: int) -> int:
        self.tried.append(self._clock.monotonic_seconds())
        if self.tried[-1] < self._ends_at:
            raise StoreUnavailableError("down", retry_seconds=self._retry_seconds)
        return value


async def test_a_call_is_tried_until_the_outage_is_over_with_growing_pauses() -> None:
    clock = FakeClock()
    outage = Outage(clock, ends_at=600)
    assert await OutageRetry(clock, until=3_600).call(outage.call, 7) == 7
    pauses = [later - earlier for earlier, later in zip(outage.tried, outage.tried[1:], strict=False)]
    assert pauses == sorted(pauses)
    assert max(pauses) == 15
    assert outage.tried[-1] < 620


async def test_nothing_new_is_ready_while_a_call_is_being_tried_again() -> None:
    clock = FakeClock()
    outage_retry = OutageRetry(clock, until=3_600)
    calling = asyncio.create_task(outage_retry.call(Outage(clock, ends_at=100).call, 1))
    other = asyncio.create_task(outage_retry.call(Outage(clock, ends_at=300).call, 1))
    await clock.sleep(1)
    await outage_retry.ready()
    assert clock.monotonic_seconds() >= 300
    await asyncio.gather(calling, other)


async def test_at_the_deadline_the_call_is_given_up_and_nobody_waits_for_it_any_more() -> None:
    clock = FakeClock()
    outage_retry = OutageRetry(clock, until=100)
    with pytest.raises(StoreUnavailableError, match="down"):
        await outage_retry.call(Outage(clock, ends_at=1e9).call, 1)
    assert 85 <= clock.monotonic_seconds() <= 100, "not before there was no time for one more pause"
    await outage_retry.ready()
    assert str(outage_retry.gave_up) == "down"


async def test_a_pause_that_ends_with_the_deadline_is_still_made() -> None:
    clock = FakeClock()
    outage = Outage(clock, ends_at=FIRST_PAUSE_SECONDS)
    assert await OutageRetry(clock, until=FIRST_PAUSE_SECONDS).call(outage.call, 7) == 7
    assert outage.tried == [0.0, FIRST_PAUSE_SECONDS]


async def test_an_error_that_time_seldom_mends_is_a_setting_to_mend_once_its_time_is_over() -> None:
    clock = FakeClock()
    clock.advance(1_000)
    outage = Outage(clock, ends_at=1e9, retry_seconds=60)
    with pytest.raises(ConfigurationError, match="down") as raised:
        await OutageRetry(clock, until=3_600).call(outage.call, 7)
    assert isinstance(raised.value.__cause__, StoreUnavailableError)
    assert outage.tried[-2] <= 1_060 < outage.tried[-1], "tried for as long as it is worth"


async def test_an_error_has_all_of_the_time_that_it_is_worth() -> None:
    clock = FakeClock()
    outage = Outage(clock, ends_at=2 * FIRST_PAUSE_SECONDS, retry_seconds=FIRST_PAUSE_SECONDS)
    assert await OutageRetry(clock, until=3_600).call(outage.call, 7) == 7
    assert len(outage.tried) == 3


async def test_a_run_that_ends_gives_up_sooner_and_never_later() -> None:
    clock = FakeClock()
    outage_retry = OutageRetry(clock, until=3_600)
    clock.advance(1_000)
    outage_retry.end_within(60)
    outage_retry.end_within(7_200)
    outage = Outage(clock, ends_at=1e9)
    with pytest.raises(StoreUnavailableError):
        await outage_retry.call(outage.call, 7)
    assert 1_045 <= outage.tried[-1] <= 1_060


async def test_any_other_error_is_not_tried_again() -> None:
    def broken() -> None:
        raise ConfigurationError("no such table")

    with pytest.raises(ConfigurationError):
        await OutageRetry(FakeClock(), until=100).call(broken)


async def test_a_cancelled_call_waits_for_its_thread() -> None:
    started, proceed, ended = threading.Event(), threading.Event(), threading.Event()

    def slow() -> None:
        started.set()
        proceed.wait(30)
        ended.set()

    calling = asyncio.create_task(in_thread(slow))
    assert await asyncio.to_thread(started.wait, 30)
    calling.cancel()
    for _ in range(10):  # as many turns of the loop as the cancellation could take
        await asyncio.sleep(0)
    assert not calling.done()
    proceed.set()
    with pytest.raises(asyncio.CancelledError):
        await calling
    assert ended.is_set()


async def test_a_thread_that_fails_after_the_cancellation_is_still_a_cancellation() -> None:
    started, proceed = threading.Event(), threading.Event()

    def slow() -> None:
        started.set()
        proceed.wait(30)
        raise StoreUnavailableError("too late to matter")

    calling = asyncio.create_task(in_thread(slow))
    assert await asyncio.to_thread(started.wait, 30)
    calling.cancel()
    proceed.set()
    with pytest.raises(asyncio.CancelledError):
        await calling
