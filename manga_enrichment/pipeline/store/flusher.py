"""Rows of many requests, written together: one object per hour group every few seconds instead of one per request.

Belongs here: holding rows until they are due, writing them, telling whoever waits for it. Stays out: what the rows are;
merging the objects later.

Nothing here is durable before its flush: whoever adds rows acks their message after it, so that the rows of a killed
process are written when the message comes again.
"""

import asyncio
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.errors import WriteConflictError
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.store.hour_keys import part_key

FLUSH_SECONDS = 2.0
FLUSH_ROWS = 5_000
MOST_KEPT_ROWS = 50_000


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of one hour group (`hour_keys.py`) of a table."""

    group: str
    schema: pa.Schema
    rows: Sequence[Mapping[str, Any]]


class Flusher:
    """One per process and run. All methods may be called from any thread; `add` never waits.

    Threads: `add`, and `flush` after so many. An event loop: `keep_flushing` as a task, and
    `await asyncio.wrap_future(flusher.add(...))` in the others.
    """

    def __init__(
        self,
        objects: ObjectStore,
        clock: Clock,
        name: str,
        *,
        every_seconds: float = FLUSH_SECONDS,
        at_most_rows: int = FLUSH_ROWS,
    ) -> None:
        """name: the run's id, which begins its objects' names. every_seconds: how old rows may become unwritten."""
        self._objects = objects
        self._clock = clock
        self._name = name
        self._every_seconds = every_seconds
        self._at_most_rows = at_most_rows
        self._lock = threading.Lock()
        self._one_flush = threading.Lock()
        self._waiting: list[tuple[Sequence[Part], Future[None]]] = []
        self._rows = 0
        self._since = 0.0
        self._number = 0

    def add(self, parts: Sequence[Part]) -> "Future[None]":
        """Take rows; the future is done when all of them are written, or has the error that kept them from it."""
        done: Future[None] = Future()
        done.set_running_or_notify_cancel()  # whoever stops waiting does not stop the flush
        with self._lock:
            if not self._waiting:
                self._since = self._clock.monotonic_seconds()
            self._waiting.append((parts, done))
            self._rows += sum(len(part.rows) for part in parts)
        return done

    @property
    def is_due(self) -> bool:
        with self._lock:
            age_seconds = self._clock.monotonic_seconds() - self._since
            return bool(self._waiting) and (self._rows >= self._at_most_rows or age_seconds >= self._every_seconds)

    def flush(self) -> None:
        """Write whatever was added before; one flush at a time. Never raises: the futures tell."""
        with self._one_flush:
            with self._lock:
                taken, self._waiting, self._rows = self._waiting, [], 0
            try:
                self._write([part for parts, _ in taken for part in parts])
            except Exception as error:  # noqa: BLE001 (each of those who wait decides about its own message)
                self._keep([parts for parts, _ in taken])
                for _, done in taken:
                    done.set_exception(error)
                return
            for _, done in taken:
                done.set_result(None)

    async def keep_flushing(self) -> None:
        """Until cancelled, and once more then."""
        try:
            while True:
                await self._clock.sleep(self._every_seconds / 4)
                if self.is_due:
                    await asyncio.to_thread(self.flush)
        finally:
            self.flush()

    def _keep(self, lost: Sequence[Sequence[Part]]) -> None:
        """For the next flush: nobody waits for these any more, and what is written twice is read once."""
        with self._lock:
            for parts in lost:
                rows = sum(len(part.rows) for part in parts)
                if self._rows + rows <= MOST_KEPT_ROWS:
                    self._waiting.append((parts, Future()))
                    self._rows += rows
            self._since = self._clock.monotonic_seconds()

    def _write(self, parts: Sequence[Part]) -> None:
        by_group: dict[str, list[pa.Table]] = {}
        for part in parts:
            if part.rows:
                table = pa.Table.from_pylist([dict(row) for row in part.rows], schema=part.schema)
                by_group.setdefault(part.group, []).append(table)
        for group, tables in by_group.items():
            self._put(group, pa.concat_tables(tables))

    def _put(self, group: str, table: pa.Table) -> None:
        """To the next name that is free: an earlier try of the same run may have used some."""
        while True:
            self._number += 1
            try:
                self._objects.write(part_key(group, f"{self._name}-{self._number:05d}"), table, new=True)
            except WriteConflictError:
                continue
            return
