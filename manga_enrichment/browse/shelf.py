"""What pages are made from, as it stands now, and its renewal when tables have a new version.

Belongs here: when the copy is looked at, when the index is made anew, that a page sees one state. Stays out: the copy
(`local_copy.py`), the index (`title_index.py`), the thread that renews (`server.py`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from manga_enrichment.browse.local_copy import Copy, LocalCopy
from manga_enrichment.browse.tables import connect, view_statements
from manga_enrichment.browse.title_index import INDEXED, index_version
from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.pipeline.publish.tables import PublishedTable

SERVING_MB = 128
_THREADS = 2
REST_RATIO = 10
"""The index rests so many times as long as making it took: partners' answers change the log every few seconds."""


@dataclass(frozen=True, slots=True)
class State:
    """One look at the tables. connection: to the index; a cursor each question. indexed_at: tables of the index."""

    copy: Copy
    connection: duckdb.DuckDBPyConnection
    version: str
    looked_at: datetime
    indexed_at: datetime


Build = Callable[[Path, Sequence[str], Sequence[str]], None]
"""`title_index.py:build_index`, here or in another process."""


class Shelf:
    def __init__(
        self,
        local: LocalCopy,
        published: Sequence[PublishedTable],
        analyses: Sequence[AnalysisType],
        clock: Clock,
        build: Build,
    ) -> None:
        """analyses: of titles, in their order."""
        self._build = build
        self.published, self.analyses = published, [each for each in analyses if not each.parts]
        self.names = [each.name for each in self.analyses]
        self._local, self._clock = local, clock
        self._state: State | None = None
        self._rests_until = 0.0

    @property
    def home(self) -> Path:
        """The folder of the local copy."""
        return self._local.home

    @property
    def state(self) -> State | None:
        """None until the tables were first read."""
        return self._state

    def refresh(self) -> None:
        """Look once; by one thread at a time. Raises what reading and DuckDB raise (`server.py:keep_fresh`)."""
        copy, now = self._local.refresh(), self._clock.now()
        version = index_version(copy, self.names)
        last = self._state
        if last is not None and (version == last.version or self._clock.monotonic_seconds() < self._rests_until):
            self._state = State(copy, last.connection, last.version, now, last.indexed_at)
            return
        path = self._local.home / f"index-{version}.duckdb"
        if not path.exists():
            began = self._clock.monotonic_seconds()
            followed = [table for table in self.published if table.name in INDEXED]
            self._build(path, view_statements(followed, copy), self.names)
            ended = self._clock.monotonic_seconds()
            self.rest(ended - began)
        opened = connect(memory_mb=SERVING_MB, threads=_THREADS, database=str(path), is_read_only=True)
        self._state = State(copy, opened, version, now, now)
        self._forget_indexes(path)

    def rest(self, seconds: float) -> None:
        """After an index that took so long to make."""
        self._rests_until = self._clock.monotonic_seconds() + REST_RATIO * seconds

    def _forget_indexes(self, current: Path) -> None:
        for path in self._local.home.glob("index-*"):
            if path != current:  # whoever still asks it has it open
                path.unlink(missing_ok=True)
