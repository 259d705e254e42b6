"""Several processes at once in virtual time, each on a machine with a clock of its own; always in the same order.

How it works: a process is a thread, of which one runs at a time. It runs until it hands a coroutine to its clock
(`run`) or ends; only while all wait, the one event loop goes on, and time with it. So computing takes no time, and
whoever is first is so in every run of the test.

Belongs here: clocks and processes. Stays out: what processes do (`shared_night.py`, `partner_world.py`).
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from manga_enrichment_tests.fake_clock import START, FakeClock

_T = TypeVar("_T")


class SharedClock(FakeClock):
    """True time. `run` may be called by each of the processes of `together`."""

    def __init__(self, start: datetime = START) -> None:
        super().__init__(start)
        self._running = threading.local()

    def run(self, main: Coroutine[Any, Any, _T]) -> _T:
        process: _Process | None = getattr(self._running, "process", None)
        return super().run(main) if process is None else process.wait_for(main)

    def together(self, *processes: tuple[float, Callable[[], Any]]) -> None:
        """Run processes that begin so many seconds from now until all have ended; raises what the first one raised."""
        super().run(self._together(processes))

    async def _together(self, processes: tuple[tuple[float, Callable[[], Any]], ...]) -> None:
        ended = await asyncio.gather(*(self._drive(*each) for each in processes), return_exceptions=True)
        failed = [each for each in ended if isinstance(each, BaseException)]
        if failed:
            raise failed[0]

    async def _drive(self, begin_seconds: float, work: Callable[[], Any]) -> None:
        await self.sleep(begin_seconds)
        process = _Process(work, self._running)
        while (waited_for := process.go_on()) is not None:
            try:
                process.answer = await waited_for
            except BaseException as error:  # noqa: BLE001 (the process' own)
                process.error = error
        if process.failure is not None:
            raise process.failure


@dataclass
class MachineClock:
    """The clock of one machine: ahead of the true one. What is monotonic does not jump with it."""

    true: SharedClock
    ahead: timedelta = timedelta(0)

    def now(self) -> datetime:
        return self.true.now() + self.ahead

    def monotonic_seconds(self) -> float:
        return self.true.monotonic_seconds()

    async def sleep(self, seconds: float) -> None:
        await self.true.sleep(seconds)

    def run(self, main: Coroutine[Any, Any, _T]) -> _T:
        return self.true.run(main)

    def advance(self, seconds: float) -> None:
        self.true.advance(seconds)


@dataclass
class _Process:
    work: Callable[[], Any]
    running: threading.local
    answer: Any = None
    error: BaseException | None = None
    failure: BaseException | None = None
    _wanted: Coroutine[Any, Any, Any] | None = None
    _is_started: bool = False
    _its_turn: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    _our_turn: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def go_on(self) -> Coroutine[Any, Any, Any] | None:
        """Let it run until it waits; what it waits for, None when it has ended."""
        self._wanted = None
        if not self._is_started:
            self._is_started = True
            threading.Thread(target=self._run, daemon=True).start()
        self._its_turn.release()
        self._our_turn.acquire()
        return self._wanted

    def wait_for(self, main: Coroutine[Any, Any, _T]) -> _T:
        self._wanted = main
        self._our_turn.release()
        self._its_turn.acquire()
        error, self.error = self.error, None
        if error is not None:
            raise error
        answer: _T = self.answer
        return answer

    def _run(self) -> None:
        self._its_turn.acquire()
        self.running.process = self
        try:
            self.work()
        except BaseException as failure:  # noqa: BLE001 (raised by `together`)
            self.failure = failure
        self._our_turn.release()
