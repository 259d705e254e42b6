"""The brake as a run sees it: read before its first call, and every few seconds while it goes on.

Belongs here: reading the row, and the last state that is known. Stays out: what a call does about it
(`pipeline/engine/call_loop.py`), the row itself (`gateways/budget.py`).

A row that was never read says nothing, so nothing is asked before it was. While it cannot be read, the last state
holds: an outage neither pulls the brake nor lets go of it.
"""

import asyncio
import math
from collections.abc import Callable

from manga_enrichment.gateways.budget import Brake, BudgetStore
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.errors import StoreUnavailableError
from manga_enrichment.pipeline.engine.outage_retry import OutageRetry, in_thread

LOOK_SECONDS = 2.0
"""Between two looks; with one read of the row this stays well within the 5 s that the brake may take."""
STALE_SECONDS = 4.0


class BrakeWatch:
    """What is known of the brake. One may be shared by all budgets of an event loop: together they read as one does."""

    def __init__(self, store: BudgetStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._looking = asyncio.Lock()
        self._looked_at = -math.inf  # monotonic second
        self._is_known = False
        self.brake: Brake | None = None

    async def know(self, outage_retry: OutageRetry) -> None:
        """Read the row unless that was done lately. Raises StoreUnavailableError when it was never read and cannot be.

        While nobody keeps watch, what was read may be long past: a process that stays waits for calls for minutes.
        """
        if self._is_known:
            if self._clock.monotonic_seconds() - self._looked_at > STALE_SECONDS:
                await self._look()
            return
        async with self._looking:
            if not self._is_known:
                self.brake = await outage_retry.call(self._store.brake)
                self._is_known = True
                self._looked_at = self._clock.monotonic_seconds()

    async def keep(self, tell: Callable[[], None]) -> None:
        """Look until cancelled. tell: called whenever the brake is on, so that nobody goes on waiting."""
        while True:
            await self._clock.sleep(LOOK_SECONDS)
            await self._look()
            if self.brake is not None:
                tell()

    async def _look(self) -> None:
        async with self._looking:
            if self._clock.monotonic_seconds() - self._looked_at < LOOK_SECONDS / 2:
                return  # another budget has just looked
            try:
                self.brake = await in_thread(self._store.brake)
                self._is_known = True
            except StoreUnavailableError:
                pass
            self._looked_at = self._clock.monotonic_seconds()
