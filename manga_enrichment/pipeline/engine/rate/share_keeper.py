"""Keeps a run's share up: looks at the table of senders every few seconds, from the first call to the last.

Belongs here: when the table is read and written. Stays out: what follows from it (`fair_share.py`).

No call ever waits for the table. While it is away the last shares hold; a run that has never read it has the part of
its lane in a told quota, and finds an untold one by itself.
"""

import asyncio
import logging
from contextlib import suppress

from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.errors import StoreUnavailableError
from manga_enrichment.gateways.senders import Learned, Sender, SenderTable
from manga_enrichment.pipeline.engine.outage_retry import in_thread
from manga_enrichment.pipeline.engine.rate.fair_share import EARLY_BEAT_SECONDS, FairShare

_log = logging.getLogger(__name__)
_AWAY = (StoreUnavailableError, ConfigurationError)  # whatever is wrong with it is no reason to fail a call


class ShareKeeper:
    """Of one quota and one event loop, on which it is made."""

    def __init__(self, table: SenderTable, quota: str, share: FairShare, clock: Clock) -> None:
        self._table = table
        self._quota = quota
        self._share = share
        self._clock = clock
        self._is_away = False
        self._said: Sender | None = None  # our item
        self._keeping = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """Tell the others that nothing more is asked, and the next run what was learned, unless the table is away."""
        self._keeping.cancel()
        await asyncio.wait([self._keeping])
        if self._said is not None and not self._is_away:
            with suppress(*_AWAY):
                await in_thread(self._table.clear, self._quota, self._said)
                _, learned = await in_thread(self._table.read, self._quota)  # another may have found the limit just now
                await self._learn(learned, is_last=True)

    async def _keep(self) -> None:
        while True:
            if self._share.is_due():
                try:
                    await self._look()
                    self._is_away = False
                except _AWAY as error:
                    if not self._is_away:
                        _log.warning("the table of senders is away, so the last shares hold: %s", error)
                    self._is_away = True
            await self._clock.sleep(EARLY_BEAT_SECONDS)

    async def _look(self) -> None:
        senders, learned = await in_thread(self._table.read, self._quota)
        self._said = self._share.look(senders, learned)
        await in_thread(self._table.write, self._quota, self._said)
        await self._learn(learned)
        for sender in self._share.long_gone:
            await in_thread(self._table.clear, self._quota, sender)

    async def _learn(self, before: Learned | None, *, is_last: bool = False) -> None:
        newly_learned = self._share.learned(before, is_last=is_last)
        if newly_learned is not None:
            await in_thread(self._table.learn, self._quota, newly_learned)
