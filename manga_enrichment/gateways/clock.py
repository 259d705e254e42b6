"""Time as an argument."""

from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

_T = TypeVar("_T")

MOST_CLOCK_SKEW = timedelta(seconds=30)
"""How far apart the clocks of two machines may be; nothing of another machine counts as run out before that."""


class Clock(Protocol):
    """Time as an argument, and the event loop that waits for it."""

    def now(self) -> datetime:
        """The current moment, UTC-aware."""
        ...

    def monotonic_seconds(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...

    def run(self, main: Coroutine[Any, Any, _T]) -> _T:
        """`asyncio.run` on an event loop in which `sleep` works; from a thread without a running one."""
        ...
