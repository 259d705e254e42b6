"""Money: reserved before a call, settled after it, never past a cap.

A cap is a counter that many processes share, so asking it for every call would cost a conditional write per call and
make one hot item. A run takes *blocks* of a few dozen calls from the counter and hands them out locally; what it did
not use it gives back when it closes. The counter is passed by nobody: a block is granted whole or not at all.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from manga_enrichment.domain.answers import Provenance
from manga_enrichment.gateways import BudgetScope, BudgetStore, Clock

NO_CAP_MICRO_USD = 2**53
BLOCK_CALLS = (64, 8, 1)
LEASE_SECONDS = 120.0


class RunBudget:
    """The money one op execution may spend. `spender` names it; every execution has its own name."""

    def __init__(self, store: BudgetStore, scopes: Sequence[BudgetScope], spender: str, clock: Clock) -> None:
        self._store = store
        self._scopes = list(scopes)
        self.spender = spender
        self._clock = clock
        self._free_micro_usd = 0
        self._calls_open = 0
        self._changed = asyncio.Condition()
        self.exhausted = False

    async def reserve(self, estimate_micro_usd: int) -> bool:
        """Set the estimate aside for one call; False when no cap leaves room for it.

        Waits while own open calls may still return part of their estimates.
        """
        async with self._changed:
            while self._free_micro_usd < estimate_micro_usd:
                if self.exhausted or not await self._take_block(estimate_micro_usd):
                    if self._calls_open == 0:
                        self.exhausted = True
                        return False
                    await self._changed.wait()
            self._free_micro_usd -= estimate_micro_usd
            self._calls_open += 1
            return True

    async def settle(self, estimate_micro_usd: int, spent_micro_usd: int) -> None:
        """A call ended: return what it did not use (or take what it used beyond its estimate)."""
        async with self._changed:
            self._free_micro_usd += estimate_micro_usd - spent_micro_usd
            self._calls_open -= 1
            self._changed.notify_all()

    async def book_unledgered(self, amount_micro_usd: int) -> None:
        """Book spend that no ledger entry carries: a lost answer that may be on the bill."""
        if amount_micro_usd:
            await asyncio.to_thread(self._store.spend, self.spender, amount_micro_usd)

    async def keep_lease(self) -> None:
        """Renew the lease until cancelled, so that nobody takes this run for dead."""
        while True:
            await self._clock.sleep(LEASE_SECONDS / 3)
            await asyncio.to_thread(self._store.renew, self.spender, self._lease_until())

    async def close(self) -> None:
        await asyncio.to_thread(self._store.close, self.spender)

    async def _take_block(self, estimate_micro_usd: int) -> bool:
        shortfall = estimate_micro_usd - self._free_micro_usd
        for calls in BLOCK_CALLS:
            amount = shortfall + (calls - 1) * estimate_micro_usd
            if await asyncio.to_thread(self._store.reserve, self._scopes, self.spender, amount, self._lease_until()):
                self._free_micro_usd += amount
                return True
        return False

    def _lease_until(self) -> datetime:
        return self._clock.now() + timedelta(seconds=LEASE_SECONDS)


@dataclass(frozen=True, slots=True)
class Caps:
    """Limits in micro-dollars; None: no cap, the counter only counts."""

    per_run_micro_usd: int | None = None
    per_day_micro_usd: int | None = None
    per_partner_per_day_micro_usd: int | None = None


NO_CAPS = Caps()


def scopes_of(provenance: Provenance, caps: Caps) -> list[BudgetScope]:
    """The counters a run's spend goes to: its own, its UTC day's, and its partner's day."""
    scopes = [
        _scope(f"run:{provenance.run_id}", caps.per_run_micro_usd),
        _scope(f"day:{provenance.run_date}", caps.per_day_micro_usd),
    ]
    if provenance.partner_id:
        counter = f"partner:{provenance.partner_id}:{provenance.run_date}"
        scopes.append(_scope(counter, caps.per_partner_per_day_micro_usd))
    return scopes


def _scope(counter: str, limit_micro_usd: int | None) -> BudgetScope:
    return BudgetScope(counter, NO_CAP_MICRO_USD if limit_micro_usd is None else limit_micro_usd)
