"""A process that is frozen in the middle of its work, as by SIGSTOP, while others go on; then it wakes up.

Belongs here: stopping at a chosen call of a gateway, and one time for both event loops. Stays out: what must hold
(`pipeline/partner/test_zombies.py`).

The frozen process is a thread that waits inside that call, so nothing of it goes on: no heartbeat, no timer. One of the
two runs at a time, which keeps virtual time in order.
"""

import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from manga_enrichment_tests.fake_clock import FakeClock

_SECONDS = 60
"""Of real time, after which a test is taken for stuck."""
_T = TypeVar("_T")


class HandedClock:
    """A clock for gateways and processes of which one works at a time, each with an event loop of its own."""

    def __init__(self) -> None:
        self._clock = FakeClock()

    def now(self) -> datetime:
        return self._clock.now()

    def monotonic_seconds(self) -> float:
        return self._clock.monotonic_seconds()

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)

    def run(self, main: Coroutine[Any, Any, _T]) -> _T:
        return self._clock.run(main)

    def advance(self, seconds: float) -> None:
        self._clock.advance(seconds)

    def hand_over(self, heir: FakeClock | None = None) -> FakeClock:
        """Go on with another loop's clock; the one before, to go on with it later."""
        before, self._clock = self._clock, heir or FakeClock()
        self._clock.advance(before.monotonic_seconds() - self._clock.monotonic_seconds())
        return before


@dataclass(frozen=True)
class Stop:
    """The call of a gateway at which a process is frozen: the first whose arguments hold `where`."""

    gateway: str
    method: str
    where: str = ""
    after: bool = False

    def __str__(self) -> str:
        return f"{'after' if self.after else 'before'} {self.gateway}.{self.method} {self.where}".rstrip()


class Frozen:
    """A process over gateways in which `freeze` was put somewhere."""

    def __init__(self, clock: HandedClock, work: Callable[[], object]) -> None:
        self._clock = clock
        self._thread = threading.Thread(target=work, daemon=True)
        self._is_frozen, self._is_thawed = threading.Event(), threading.Event()
        self._own: FakeClock | None = None

    def start(self) -> None:
        """Work until it is frozen; then the clock is somebody else's."""
        self._thread.start()
        assert self._is_frozen.wait(_SECONDS), "it never came to the call at which it is to be frozen"
        self._own = self._clock.hand_over()

    def freeze(self) -> None:
        """Called where it is to stop; whoever comes there later passes."""
        if not self._is_frozen.is_set():
            self._is_frozen.set()
            assert self._is_thawed.wait(_SECONDS), "nobody has woken it up"

    def thaw(self) -> None:
        """Wake up, and work to the end."""
        self._clock.hand_over(self._own)
        self._is_thawed.set()
        self._thread.join(_SECONDS)
        assert not self._thread.is_alive()

    def behind(self, target: Any, stop: Stop) -> "Any":
        """A gateway that freezes this process."""
        return _Freezing(target, stop, self.freeze)


class _Freezing:
    def __init__(self, target: Any, stop: Stop, freeze: Callable[[], None]) -> None:
        self._target = target
        self._stop = stop
        self._freeze = freeze

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        if name != self._stop.method:
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            is_here = self._stop.where in str(args)
            if is_here and not self._stop.after:
                self._freeze()
            result = found(*args, **kwargs)
            if is_here and self._stop.after:
                self._freeze()
            return result

        return call
