"""Group commit: answers that arrive together are put into the ledger together.

Most of a write's CPU is the same for one answer and for many, so a group waits for company: half as long as the last
write took, and while answers come in numbers until a moment has passed since the last group left. Answers are saved a
little later, and fewer writes carry them (`docs/benchmarks.md`); one that comes alone waits for nobody.

A caller waits until its answer is saved, so nothing uses an answer the ledger does not have, and a kill loses at most
the calls in flight. While the ledger is down no new call starts; what was paid for is kept and tried again.
"""

import asyncio
import math
from dataclasses import dataclass

from manga_enrichment.domain.outcomes.answers import LedgerEntry
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.errors import StoreUnavailableError
from manga_enrichment.gateways.ledger import ResultLedger
from manga_enrichment.pipeline.engine.money.budget import RunBudget
from manga_enrichment.pipeline.engine.outage_retry import OutageRetry, in_thread

MAX_GROUP = 90
LONGEST_WAIT_SECONDS = 0.05
WAIT_SHARE = 0.25  # of what an answer took: the slot that it holds is to be busy with asking
GOOD_COMPANY = 32  # answers of the last group; for fewer the wait is shorter in proportion, and soon not worth it
_ENDED = "nobody writes to the ledger any more: this run is over"


@dataclass(frozen=True, slots=True)
class _Pending:
    entry: LedgerEntry
    saved: "asyncio.Future[LedgerEntry]"


class LedgerWriter:
    """Saves entries; run `write_groups` as a background task while callers `save`.

    One group travels at a time: the next one grows meanwhile, and larger groups cost less CPU per title.
    """

    def __init__(self, ledger: ResultLedger, budget: RunBudget, clock: Clock, outage_retry: OutageRetry) -> None:
        """budget: whose spender the cost is booked on, in the same transaction as the answers."""
        self._ledger = ledger
        self._budget = budget
        self._clock = clock
        self._outage_retry = outage_retry
        self._left_at = -math.inf  # the last group, monotonic second
        self._write_seconds = 0.0  # what it took
        self._last_size = 0
        self._pending: asyncio.Queue[_Pending] = asyncio.Queue()
        self._has_ended = False

    async def save(self, entry: LedgerEntry) -> LedgerEntry:
        """The entry that now stands for this fingerprint: this one, or one that was there first.

        Raises StoreUnavailableError when the ledger could not be written until the deadline, and whatever else its
        gateway raises.
        """
        if self._has_ended:
            raise StoreUnavailableError(_ENDED)
        saved: asyncio.Future[LedgerEntry] = asyncio.get_running_loop().create_future()
        self._pending.put_nowait(_Pending(entry, saved))
        return await saved

    async def write_groups(self) -> None:
        """Write what is pending, group by group; cancel it when no caller is left. Who waits still is told then."""
        group: list[_Pending] = []
        try:
            while True:
                group = [await self._pending.get()]
                await self._clock.sleep(self._wait_seconds(group[0].entry))
                while len(group) < MAX_GROUP and not self._pending.empty():
                    group.append(self._pending.get_nowait())
                await self._write(group)
        finally:
            self._has_ended = True
            while not self._pending.empty():
                group.append(self._pending.get_nowait())
            _fail(group, StoreUnavailableError(_ENDED))

    async def save_now(self, entry: LedgerEntry) -> LedgerEntry:
        """One try for a single entry, when the run is ending. Raises what the gateway raises."""
        return (await in_thread(self._ledger.put_many, [entry], self._budget.spender))[entry.fingerprint]

    def _wait_seconds(self, entry: LedgerEntry) -> float:
        """How long the group waits for company; 0.0: it has what came with the same look at the network."""
        if self._pending.qsize() + 1 >= MAX_GROUP:
            return 0.0
        answer_seconds = entry.attempts[-1].latency_ms / 1000 if entry.attempts else 0.0
        company = min(1.0, self._last_size / GOOD_COMPANY)
        apart_seconds = company * min(LONGEST_WAIT_SECONDS, answer_seconds * WAIT_SHARE)
        company_seconds = self._write_seconds + min(LONGEST_WAIT_SECONDS, self._write_seconds / 2)
        return max(0.0, self._left_at + max(apart_seconds, company_seconds) - self._clock.monotonic_seconds())

    async def _write(self, group: list[_Pending]) -> None:
        entries = [pending.entry for pending in group]
        self._left_at, self._last_size = self._clock.monotonic_seconds(), len(group)
        try:
            stands = await self._outage_retry.call(self._ledger.put_many, entries, self._budget.spender)
        except Exception as error:  # noqa: BLE001 (raised by everyone who waits; this task goes on for the others)
            _fail(group, error)
            return
        self._write_seconds = self._clock.monotonic_seconds() - self._left_at
        for pending in group:
            if not pending.saved.done():
                pending.saved.set_result(stands[pending.entry.fingerprint])


def _fail(group: list[_Pending], error: Exception) -> None:
    for pending in group:
        if not pending.saved.done():
            pending.saved.set_exception(error)
