"""Ledger and budget calls from the event loop: in worker threads, tried again while DynamoDB is down.

Belongs here: who waits how long for the ledger. Stays out: what is read and written (`claims.py`,
`group_commit.py`, `pipeline/engine/money/budget.py`).
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.errors import StoreUnavailableError

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 15.0

_T = TypeVar("_T")


class OutageRetry:
    """Tries until the deadline. While a call is being tried again nothing new should be started: see `ready`."""

    def __init__(self, clock: Clock, until: float) -> None:
        """until: monotonic second after which a failing call is given up."""
        self._clock = clock
        self._until = until
        self._failing = 0
        self._ready = asyncio.Event()
        self._ready.set()
        self.gave_up: StoreUnavailableError | None = None

    @property
    def is_away(self) -> bool:
        """A call is being tried again just now."""
        return not self._ready.is_set()

    def end_within(self, seconds: float) -> None:
        """Give up sooner: the run is ending."""
        self._until = min(self._until, self._clock.monotonic_seconds() + seconds)

    async def ready(self) -> None:
        """Wait until no call is being tried again, because it went through or because the deadline came."""
        await self._ready.wait()

    async def call(self, function: Callable[..., _T], *args: object) -> _T:
        """Run a blocking gateway call. Raises StoreUnavailableError when it still fails at the deadline.

        Raises ConfigurationError when an error that time seldom mends outlasts the time that it is worth.
        """
        try:
            return await in_thread(function, *args)
        except StoreUnavailableError as error:
            failure = error
        self._failing += 1
        self._ready.clear()
        try:
            return await self._try_again(failure, function, *args)
        finally:
            self._failing -= 1
            if self._failing == 0:
                self._ready.set()

    async def _try_again(self, failure: StoreUnavailableError, function: Callable[..., _T], *args: object) -> _T:
        pause_seconds, started = FIRST_PAUSE_SECONDS, self._clock.monotonic_seconds()
        while (now := self._clock.monotonic_seconds()) + pause_seconds <= self._until:
            if now - started > failure.retry_seconds:
                raise ConfigurationError(str(failure)) from failure
            await self._clock.sleep(pause_seconds)
            pause_seconds = min(LONGEST_PAUSE_SECONDS, pause_seconds * 2)
            try:
                return await in_thread(function, *args)
            except StoreUnavailableError as error:
                failure = error
        self.gave_up = failure
        raise failure


async def in_thread(function: Callable[..., _T], *args: object) -> _T:
    """Run a blocking call in a worker thread. When cancelled, wait for it: a thread cannot be stopped, and what it
    writes must not come after what we write to say goodbye."""
    running = asyncio.ensure_future(asyncio.to_thread(function, *args))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        if not running.cancelled():
            running.exception()  # seen; the cancellation matters more
        raise
