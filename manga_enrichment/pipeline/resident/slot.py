"""A resident's slot: taken, beaten every two seconds, lost to whoever has a later epoch.

Belongs here: the heartbeat of one run. Stays out: which slots are wanted and who is started for them (`roster.py`).
"""

import logging
from dataclasses import replace
from datetime import timedelta

from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.errors import StoreUnavailableError
from manga_enrichment.gateways.residents import Resident, ResidentTable
from manga_enrichment.pipeline.engine.outage_retry import in_thread

BEAT_SECONDS = 2.0

_log = logging.getLogger(__name__)


class Slot:
    """is_lost: a successor has it. While the table is away nobody can take it, so it is kept."""

    def __init__(self, table: ResidentTable, clock: Clock, resident: Resident) -> None:
        self._table = table
        self._clock = clock
        self._resident = resident
        self.is_lost = False
        self.is_busy = False

    async def keep(self) -> None:
        """Beat until cancelled, or lost."""
        while not self.is_lost:
            try:
                await in_thread(self.beat)
            except StoreUnavailableError as error:
                _log.warning("could not renew slot %s of %s: %s", self._resident.slot, self._resident.lane, error)
            await self._clock.sleep(BEAT_SECONDS)

    def beat(self, *, has_left: bool = False) -> bool:
        """False when the slot is another's. Raises StoreUnavailableError."""
        self._resident = replace(
            self._resident,
            beat=self._resident.beat + 1,
            beat_at=self._clock.now(),
            is_busy=self.is_busy,
            has_left=has_left,
        )
        self.is_lost = not self._table.put(self._resident)
        return not self.is_lost

    @property
    def left(self) -> timedelta:
        """Until the run is to receive no more."""
        return self._resident.ends_at - self._clock.now()
