"""Where an engine's calls come from: a list that is there before it begins, or tasks that put calls in as they come.

Belongs here: handing on the next calls. Stays out: claiming them (`feed.py`).
"""

import asyncio
from collections import deque
from collections.abc import Iterable
from itertools import islice
from typing import Protocol

from manga_enrichment.gateways.clock import Clock
from manga_enrichment.pipeline.engine.calls import Call, CallResult
from manga_enrichment.pipeline.engine.outage_retry import in_thread

Asked = Call | CallResult
LONGEST_WAIT_SECONDS = 0.02
"""For more calls to go with those that there are."""


class Source(Protocol):
    """Calls, and results among them that are handed on as they are."""

    async def take(self, at_most: int) -> list[Asked]:
        """The next ones, as soon as there are any; [] when no more will come."""
        ...


class Listed:
    """Pulled from an iterator in a worker thread. Where making them takes long, those that are there come first."""

    def __init__(self, calls: Iterable[Asked], clock: Clock) -> None:
        self._calls = iter(calls)
        self._clock = clock

    async def take(self, at_most: int) -> list[Asked]:
        return await in_thread(self._next, at_most)

    def _next(self, at_most: int) -> list[Asked]:
        found = list(islice(self._calls, 1))
        until = self._clock.monotonic_seconds() + LONGEST_WAIT_SECONDS
        while len(found) < at_most and self._clock.monotonic_seconds() < until:
            if (call := next(self._calls, None)) is None:
                break
            found.append(call)
        return found


class Inbox:
    """Put in by tasks of the same event loop; what came together is taken, and claimed, together."""

    def __init__(self) -> None:
        self._waiting: deque[Call] = deque()
        self._come = asyncio.Event()
        self._is_closed = False

    def put(self, calls: Iterable[Call]) -> None:
        self._waiting.extend(calls)
        self._come.set()

    def close(self) -> None:
        """No more will come: the engine ends when it is done with what is here."""
        self._is_closed = True
        self._come.set()

    async def take(self, at_most: int) -> list[Asked]:
        while not self._waiting and not self._is_closed:
            self._come.clear()
            await self._come.wait()
        return [self._waiting.popleft() for _ in range(min(at_most, len(self._waiting)))]
