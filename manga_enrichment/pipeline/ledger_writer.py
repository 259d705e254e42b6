"""Group commit: answers that arrive together are put into the ledger together.

A caller waits until its answer is saved, so nothing uses an answer the ledger does not have, and a kill loses at most
the calls in flight. While the ledger is down no new call starts; what was paid for is kept and tried again.
"""

import asyncio
from dataclasses import dataclass

from manga_enrichment.domain.answers import LedgerEntry
from manga_enrichment.gateways import Clock, LedgerUnavailableError, ResultLedger

MAX_GROUP = 90
WRITERS = 2  # a second group may travel while the first is being written
LONGEST_PAUSE_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class _Pending:
    entry: LedgerEntry
    saved: "asyncio.Future[LedgerEntry]"


class LedgerWriter:
    """Saves entries; run `write_groups` as a background task while callers `save`."""

    def __init__(self, ledger: ResultLedger, spender: str, clock: Clock, until: float) -> None:
        """until: monotonic second after which an unwritable entry is given up (its caller gets the error)."""
        self._ledger = ledger
        self._spender = spender
        self._clock = clock
        self._until = until
        self._pending: asyncio.Queue[_Pending] = asyncio.Queue()
        self.available = asyncio.Event()
        self.available.set()

    async def save(self, entry: LedgerEntry) -> LedgerEntry:
        """The entry that now stands for this fingerprint: this one, or one that was there first.

        Raises LedgerUnavailableError when the ledger could not be written until the deadline.
        """
        saved: asyncio.Future[LedgerEntry] = asyncio.get_running_loop().create_future()
        self._pending.put_nowait(_Pending(entry, saved))
        return await saved

    async def write_groups(self) -> None:
        """Write for ever; cancel it when no caller is left."""
        await asyncio.gather(*(self._write_forever() for _ in range(WRITERS)))

    async def _write_forever(self) -> None:
        while True:
            group = [await self._pending.get()]
            while len(group) < MAX_GROUP and not self._pending.empty():
                group.append(self._pending.get_nowait())
            await self._write(group)

    async def _write(self, group: list[_Pending]) -> None:
        entries = [pending.entry for pending in group]
        pause_seconds = 0.1
        while True:
            try:
                stands = await asyncio.to_thread(self._ledger.put_many, entries, self._spender)
            except LedgerUnavailableError as error:
                self.available.clear()
                if self._clock.monotonic_seconds() + pause_seconds > self._until:
                    for pending in group:
                        pending.saved.set_exception(error)
                    return
                await self._clock.sleep(pause_seconds)
                pause_seconds = min(LONGEST_PAUSE_SECONDS, pause_seconds * 2)
            except Exception as error:
                for pending in group:
                    pending.saved.set_exception(error)
                raise
            else:
                self.available.set()
                for pending in group:
                    if not pending.saved.done():
                        pending.saved.set_result(stands[pending.entry.fingerprint])
                return
