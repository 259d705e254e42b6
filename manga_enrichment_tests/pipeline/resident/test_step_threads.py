"""Step threads: as many as said at once, behind while many wait, and a receiver that takes up nothing then."""

import asyncio
import threading
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest

from manga_enrichment.domain.requests.queues import HIGH_PRIORITY
from manga_enrichment.gateways.queue import Message
from manga_enrichment.pipeline.resident.receiving import LOOK_SECONDS, Receiver
from manga_enrichment.pipeline.resident.room import MOST_MESSAGES, Room, RoomLimits
from manga_enrichment.pipeline.resident.step_threads import BEHIND_BY, StepThreads
from manga_enrichment_tests.fakes import FakeClock

COUNT = 2


async def test_it_is_behind_while_many_wait_for_a_thread_and_not_for_those_that_run() -> None:
    threads, goes_on, running = StepThreads(COUNT), threading.Event(), threading.Semaphore(0)

    def step(number: int) -> int:
        running.release()
        goes_on.wait()
        return number

    begun = [asyncio.create_task(threads.run(step, number)) for number in range(COUNT + BEHIND_BY * COUNT - 1)]
    for _ in range(COUNT):
        await asyncio.to_thread(running.acquire)
    assert not threads.is_behind
    begun.append(asyncio.create_task(threads.run(step, len(begun))))
    await asyncio.sleep(0)
    assert threads.is_behind
    assert not running.acquire(blocking=False)
    goes_on.set()
    assert await asyncio.gather(*begun) == list(range(len(begun)))
    assert not threads.is_behind


async def test_a_step_that_fails_or_is_cancelled_while_it_waits_leaves_its_place() -> None:
    threads, goes_on = StepThreads(1), threading.Event()

    def fails() -> None:
        goes_on.wait()
        raise LookupError("no such title")

    failing = asyncio.create_task(threads.run(fails))
    waiting = [asyncio.create_task(threads.run(int)) for _ in range(BEHIND_BY)]
    await asyncio.sleep(0)
    assert threads.is_behind
    waiting[0].cancel()
    await asyncio.sleep(0)
    assert not threads.is_behind
    goes_on.set()
    with pytest.raises(LookupError):
        await failing
    assert await asyncio.gather(*waiting[1:]) == [0] * (BEHIND_BY - 1)


def test_a_receiver_takes_up_nothing_while_it_may_not_and_goes_on_at_once() -> None:
    clock, received, allowed_at = FakeClock(), [], 3.0
    began = clock.monotonic_seconds()

    def seconds() -> float:
        return clock.monotonic_seconds() - began

    def receive(_queue: str, at_most: int, wait_seconds: int) -> list[Message]:
        received.append((seconds(), at_most))
        clock.advance(wait_seconds)
        return []

    def begin(_given: Any, _at: datetime) -> None:
        raise AssertionError("nothing was there")

    receiver = Receiver(
        HIGH_PRIORITY.name,
        SimpleNamespace(receive=receive, why_away=lambda **_how: ""),  # type: ignore[arg-type]
        Room(RoomLimits()),
        clock,
        left_seconds=lambda: 30.0 - seconds(),
        may_receive=lambda: seconds() >= allowed_at,
        begin=begin,
    )
    clock.run(receiver.run())
    assert received[0][1] == MOST_MESSAGES
    assert allowed_at <= received[0][0] <= allowed_at + LOOK_SECONDS
