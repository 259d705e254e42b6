"""The real clock. What reads or waits for time gets a `gateways/clock.py:Clock`; this is the one for production.

Waiting happens on uvloop, which takes less CPU per call than asyncio's own loop (`docs/benchmarks.md`); where it does
not exist (Windows), asyncio's own does the same work.
"""

import asyncio
import time
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any, TypeVar

try:
    from uvloop import new_event_loop
except ImportError:
    from asyncio import new_event_loop  # type: ignore[assignment]

from manga_enrichment.runtime.garbage import ASKING_COLLECTION_OBJECTS, rare_collections

_T = TypeVar("_T")


class SystemClock:
    """Clock of this machine."""

    def now(self) -> datetime:
        """The current moment in UTC."""
        return datetime.now(UTC)

    def monotonic_seconds(self) -> float:
        """Seconds since some fixed point; never goes back when the machine's time is corrected."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait; zero or less only lets others run."""
        await asyncio.sleep(seconds)

    def run(self, main: Coroutine[Any, Any, _T]) -> _T:
        """`asyncio.run` on uvloop."""
        with rare_collections(ASKING_COLLECTION_OBJECTS), asyncio.Runner(loop_factory=new_event_loop) as runner:
            return runner.run(main)
