"""Threads for the blocking steps of a resident run, and whether it is behind with them.

Belongs here: how many run at once, how many wait. Stays out: the steps (`request_steps.py`), what is received meanwhile
(`receiving.py`).

A request that waits for the model holds no thread and keeps nobody out. One that waits for a thread waits for us, and
taking up more then helps nobody: each would wait longer, past its lease at last, while other residents could have it.
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from manga_enrichment.pipeline.engine.outage_retry import in_thread

BEHIND_BY = 4
"""Steps that wait for each thread."""

_T = TypeVar("_T")


class StepThreads:
    """Of one event loop. count: steps at once."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._free = asyncio.Semaphore(count)
        self._waiting = 0

    @property
    def is_behind(self) -> bool:
        """Nothing more is to be taken up now."""
        return self._waiting >= BEHIND_BY * self._count

    async def run(self, function: Callable[..., _T], *args: object) -> _T:
        """In a thread, when one is free. Raises what it raises."""
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1
        try:
            return await in_thread(function, *args)
        finally:
            self._free.release()
