"""Tables, and what else was read a moment ago, for requests that are planned one by one.

Belongs here: keeping what was read for some seconds, within bounds. Stays out: what is read
(`pipeline/partner/plan_run.py`).

A run with an op per analysis reads a bucket once for all its requests. Here each plans alone: without this, a request
for one title would read and decode all titles of its bucket.
"""

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar, cast

from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.objects import StoredTable, TableReader

RECENT_SECONDS = 10.0
"""An answer may be asked for with a text that was replaced so long ago."""
MOST_BYTES = 64 * 1024 * 1024

_T = TypeVar("_T")


class RecentTables:
    """May be used from any thread: who wants what is just being read waits for it."""

    def __init__(self, tables: TableReader, clock: Clock, *, most_bytes: int = MOST_BYTES) -> None:
        """most_bytes: of all tables kept; a larger one is not kept."""
        self._tables = tables
        self._clock = clock
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._reading: dict[str, threading.Lock] = {}
        self._made: dict[str, tuple[float, object]] = {}  # with the second of its end
        self._kept: dict[str, tuple[float, StoredTable]] = {}  # with the second of its end; oldest first

    def read(self, key: str, columns: Sequence[str] | None = None) -> StoredTable | None:
        """As `ObjectStore.read`. Some columns alone, and that there is no table, are not kept."""
        if columns is not None:
            return self._tables.read(key, columns)
        with self._reading_of(key):
            with self._lock:
                self._forget()
                known = self._kept.get(key)
            if known is not None:
                return known[1]
            until = self._clock.monotonic_seconds() + RECENT_SECONDS
            found = self._tables.read(key)
            if found is not None:
                with self._lock:
                    self._kept[key] = until, found
                    self._forget()
            return found

    def recall(self, name: str, make: Callable[[], _T]) -> _T:
        """What `make` gave under this name a moment ago, whatever it was; something small."""
        with self._reading_of(name):
            until, found = self._made.get(name, (0.0, None))
            if (now := self._clock.monotonic_seconds()) >= until:
                found = make()
                self._made[name] = now + RECENT_SECONDS, found
            return cast("_T", found)

    def _reading_of(self, name: str) -> threading.Lock:
        with self._lock:
            return self._reading.setdefault(name, threading.Lock())

    def _forget(self) -> None:
        """What is too old, then the oldest of what is too much."""
        now = self._clock.monotonic_seconds()
        self._kept = {key: each for key, each in self._kept.items() if each[0] > now}
        size = sum(stored.table.nbytes for _, stored in self._kept.values())
        while size > self._most_bytes:
            _, stored = self._kept.pop(next(iter(self._kept)))
            size -= stored.table.nbytes
