"""Virtual time for asyncio: hours of waiting take milliseconds and pass in the same order every time.

How it works: `sleep` puts the caller on a heap. Whenever the event loop has nothing else to run, time jumps to the
earliest sleeper. So computing takes no time, and nobody wakes early.

Worker threads would make "nothing else to run" a matter of luck, so on a loop that uses this clock
`asyncio.to_thread` runs its function at once, on the loop's thread. Not for use beside real sockets or asyncio's own
timeouts: while those wait, the loop is idle and virtual time rushes on.
"""

import asyncio
import heapq
import itertools
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

START = datetime(2026, 1, 15, 3, 0, tzinfo=UTC)
LONGEST_TEST_SECONDS = 7 * 86_400.0
_T = TypeVar("_T")


class FakeClock:
    """Clock whose time passes only in `sleep` and `advance`. Readable from any thread."""

    def __init__(self, start: datetime = START) -> None:
        self._start = start
        self._seconds = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._watching = False

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self.monotonic_seconds())

    def monotonic_seconds(self) -> float:
        self._attach()
        return self._seconds

    async def sleep(self, seconds: float) -> None:
        self._attach()
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        loop = asyncio.get_running_loop()
        woken: asyncio.Future[None] = loop.create_future()
        heapq.heappush(self._sleepers, (self._seconds + seconds, next(self._order), woken))
        self._watch(loop)
        await woken

    def run(self, main: Coroutine[Any, Any, _T]) -> _T:
        """On asyncio's own loop: uvloop does not tell whether it is idle."""
        return asyncio.run(main)

    def advance(self, seconds: float) -> None:
        """Let time pass without waiting for it, for tests without an event loop."""
        self._seconds += seconds

    def _attach(self) -> None:
        """Take over the running loop's worker threads before anyone uses them; forget sleepers of an ended loop."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        if loop is self._loop:
            return
        if self._loop is not None and not self._loop.is_closed() and self._sleepers:
            raise RuntimeError("this FakeClock has sleepers in another event loop")
        self._loop, self._sleepers, self._watching = loop, [], False
        loop.set_default_executor(_InlineExecutor())

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._watching:
            self._watching = True
            loop.call_soon(self._wake_when_idle, loop)

    def _wake_when_idle(self, loop: asyncio.AbstractEventLoop) -> None:
        self._watching = False
        busy = bool(loop._ready)  # type: ignore[attr-defined]  # noqa: SLF001 (asyncio has no public word for idle)
        if not busy:
            self._wake_earliest()
        if self._sleepers:
            self._watch(loop)

    def _wake_earliest(self) -> None:
        """Jump to the earliest live sleeper and wake all that are due then, in the order they lay down."""
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        if not self._sleepers:
            return
        self._seconds = max(self._seconds, self._sleepers[0][0])
        while self._sleepers and self._sleepers[0][0] <= self._seconds:
            woken = heapq.heappop(self._sleepers)[2]
            if woken.done():
                continue
            if self._seconds > LONGEST_TEST_SECONDS:
                woken.set_exception(RuntimeError("virtual time ran away: only timers are left, the rest is stuck"))
            else:
                woken.set_result(None)


class _InlineExecutor(ThreadPoolExecutor):
    """Runs what it is given at once (asyncio insists on a ThreadPoolExecutor; no thread is ever started)."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 (handed to whoever awaits it)
            future.set_exception(error)
        return future
