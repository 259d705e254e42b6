"""The machine's time, moved on for all processes that read one file.

The clock is a gateway like any other: a test moves it on for all its processes, also for those that are frozen, instead
of waiting until a lease is over. No lock: a frozen process could hold it. Only the test itself writes.
"""

import asyncio
import time
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from manga_enrichment.runtime.clock import SystemClock

_T = TypeVar("_T")


class FileClock:
    """file: seconds ahead of the machine's time; there is none at first."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def advance(self, seconds: float) -> None:
        later = self._file.with_suffix(".new")
        later.write_text(str(self._ahead_seconds() + seconds), "utf-8")
        later.replace(self._file)

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self._ahead_seconds())

    def monotonic_seconds(self) -> float:
        return time.monotonic() + self._ahead_seconds()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def run(self, main: Coroutine[Any, Any, _T]) -> _T:
        return SystemClock().run(main)

    def _ahead_seconds(self) -> float:
        return float(self._file.read_text("utf-8")) if self._file.exists() else 0.0
