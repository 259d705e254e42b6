"""Group commit: answers that arrive together are put into the ledger together.

A caller waits until its answer is saved, so nothing uses an answer the ledger does not have, and a kill loses at most
the calls in flight. While the ledger is down no new call starts; what was paid for is kept and tried again.
"""

import asyncio
from dataclasses import dataclass

from manga_enrichment.domain.answers import LedgerEntry
from manga_enrichment.gateways import LedgerUnavailableError, ResultLedger
from manga_enrichment.pipeline.patience import Patience, in_thread

MAX_GROUP = 90


@dataclass(frozen=True, slots=True)
class _Pending:
    entry: LedgerEntry
    saved: "asyncio.Future[LedgerEntry]"


class LedgerWriter:
    """Saves entries; run `write_groups` as a background task while callers `save`.

    One group travels at a time: the next one grows meanwhile, and larger groups cost less CPU per title.
    """

    def __init__(self, ledger: ResultLedger, spender: str, patience: Patience) -> None:
        self._ledger = ledger
        self._spender = spender
        self._patience = patience
        self._pending: asyncio.Queue[_Pending] = asyncio.Queue()
        self._unsaved: dict[str, LedgerEntry] = {}

    async def save(self, entry: LedgerEntry) -> LedgerEntry:
        """The entry that now stands for this fingerprint: this one, or one that was there first.

        Raises LedgerUnavailableError when the ledger could not be written until the deadline.
        """
        saved: asyncio.Future[LedgerEntry] = asyncio.get_running_loop().create_future()
        self._unsaved[entry.fingerprint] = entry
        self._pending.put_nowait(_Pending(entry, saved))
        return await saved

    async def write_groups(self) -> None:
        """Write what is pending, group by group; cancel it when no caller is left."""
        while True:
            group = [await self._pending.get()]
            await asyncio.sleep(0)  # answers that came with the same look at the network travel together
            while len(group) < MAX_GROUP and not self._pending.empty():
                group.append(self._pending.get_nowait())
            await self._write(group)

    async def write_the_rest(self) -> None:
        """One try for what was paid for and is not saved, when the run ends before its time.

        Raises LedgerUnavailableError.
        """
        if self._unsaved:
            await in_thread(self._ledger.put_many, list(self._unsaved.values()), self._spender)
            self._unsaved.clear()

    async def _write(self, group: list[_Pending]) -> None:
        entries = [pending.entry for pending in group]
        try:
            stands = await self._patience.call(self._ledger.put_many, entries, self._spender)
        except LedgerUnavailableError as error:
            for pending in group:
                if not pending.saved.done():
                    pending.saved.set_exception(error)
            return
        for pending in group:
            del self._unsaved[pending.entry.fingerprint]
            if not pending.saved.done():
                pending.saved.set_result(stands[pending.entry.fingerprint])
