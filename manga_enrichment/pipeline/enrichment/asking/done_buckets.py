"""Which buckets are done with asking, while others still are at the model.

Belongs here: counting calls against outcomes, and handing out buckets in the order in which they end. Stays out: what
is done about them (`ask.py`).
"""

import asyncio
from collections import Counter, deque
from collections.abc import Iterable


class DoneBuckets:
    """Of one event loop, whose thread alone may call it but for `opened`."""

    def __init__(self, buckets: Iterable[str], analyses: Iterable[str]) -> None:
        """A bucket is done when each of the analyses has opened it and every call has come to an outcome."""
        names = frozenset(analyses)
        self._unopened = {bucket: set(names) for bucket in buckets}
        self._open = Counter[str]()
        self._done: deque[str] = deque()
        self._come = asyncio.Event()
        self._is_closed = False
        self._loop = asyncio.get_running_loop()

    def opened(self, analysis: str, bucket: str, calls: int) -> None:
        """From any thread, before the first of the calls is handed on."""
        self._loop.call_soon_threadsafe(self._opened, analysis, bucket, calls)

    def told(self, bucket: str) -> None:
        """One more call has an outcome."""
        self._count(bucket, -1)

    def close(self) -> None:
        """No more is wanted."""
        self._is_closed = True
        self._come.set()

    @property
    def is_closed(self) -> bool:
        return self._is_closed

    async def next(self) -> str | None:
        """The next that is done, as soon as there is one; None once it is closed."""
        while not self._done and not self._is_closed:
            self._come.clear()
            await self._come.wait()
        return None if self._is_closed else self._done.popleft()

    def _opened(self, analysis: str, bucket: str, calls: int) -> None:
        self._unopened[bucket].discard(analysis)
        self._count(bucket, calls)

    def _count(self, bucket: str, calls: int) -> None:
        self._open[bucket] += calls
        if not self._open[bucket] and not self._unopened[bucket]:
            self._done.append(bucket)
            self._come.set()
