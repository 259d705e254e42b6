"""Money: reserved before a call, settled after it, never past a cap.

A cap is a counter that many processes share, so asking it for every call would cost a conditional write per call and
make one hot item. A run takes *blocks* of calls from the counter and hands them out locally; what it did not use it
gives back when it closes. The counter is passed by nobody: a block is granted whole or not at all.
"""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from manga_enrichment.domain.outcomes.answers import Provenance
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.gateways.budget import Brake, BudgetScope, BudgetStore
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.errors import SpenderClosedError, StoreUnavailableError
from manga_enrichment.pipeline.engine.money.brake_watch import BrakeWatch
from manga_enrichment.pipeline.engine.outage_retry import OutageRetry, in_thread

MOST_LOOKS = 5
"""For a cap that has refused and has room when it is looked at; whoever else shares it may be faster each time."""
NO_CAP_MICRO_USD = 2**53
FIRST_BLOCK_CALLS = 8
LARGEST_BLOCK_CALLS = 512
BLOCK_SECONDS = 0.25  # a block that is gone sooner is followed by one twice as large
LEASE_SECONDS = 120.0


class RunBudget:
    """The money one op execution may spend. `spender` names it; every execution has its own name.

    An execution that others took for dead (it stood still, or their clock is ahead) goes on under a further name.

    Not thread-safe: one event loop. Between two awaits nothing else runs, so the sums need no lock.
    """

    def __init__(
        self,
        store: BudgetStore,
        scopes: Sequence[BudgetScope],
        spender: str,
        clock: Clock,
        brake_watch: BrakeWatch | None = None,
    ) -> None:
        """brake_watch: of the budgets that look at the brake together; one of its own when it is left out.
        refused_by: the counter that left no room for a call, once that has happened."""
        self._store = store
        self._brake_watch = brake_watch or BrakeWatch(store, clock)
        self._scopes = list(scopes)
        self.spender = spender
        self._names = [spender]
        self._is_known = False  # to the counters
        self._clock = clock
        self._outage_retry = OutageRetry(clock, -math.inf)
        self._free_micro_usd = 0
        self._calls_open = 0
        self._open_micro_usd = 0
        self._taking = asyncio.Lock()
        self._settled = asyncio.Event()
        self._waiting = 0
        self._block_calls = FIRST_BLOCK_CALLS
        self._block_taken_at = -math.inf
        self._too_much: int | None = None  # the smallest amount that a cap refused
        self._no_room_for: int | None = None  # the smallest estimate that found no room
        self.refused_by = ""

    @property
    def counters(self) -> list[str]:
        return [scope.counter for scope in self._scopes]

    def use(self, outage_retry: OutageRetry) -> None:
        """Try store calls again for as long as this allows; without it they are tried once."""
        self._outage_retry = outage_retry

    @property
    def has_refused(self) -> bool:
        """Whether a call has found no room."""
        return self._no_room_for is not None

    def has_no_room_for(self, estimate_micro_usd: int) -> bool:
        """Whether it is known already that a call of this estimate would be refused."""
        return self._no_room_for is not None and estimate_micro_usd >= self._no_room_for

    @property
    def brake(self) -> Brake | None:
        """As far as is known; None as well before the first reservation."""
        return self._brake_watch.brake

    async def reserve(self, estimate_micro_usd: int) -> bool:
        """Set the estimate aside for one call; False when the brake is on, or no cap leaves room for it.

        Waits while own open calls may still return part of their estimates. Raises StoreUnavailableError.
        """
        await self.know_brake()
        looks_left = MOST_LOOKS
        while self._free_micro_usd < estimate_micro_usd or self.brake is not None:
            if self.brake is not None or self.has_no_room_for(estimate_micro_usd):
                return False
            if await self._take_block(estimate_micro_usd) or self._free_micro_usd >= estimate_micro_usd:
                continue
            if self._calls_open == 0:
                self.refused_by = await self._refusing(estimate_micro_usd - self._free_micro_usd)
                looks_left -= 1
                if not self.refused_by and looks_left:  # others gave back meanwhile
                    self._too_much = None
                    continue
                self._no_room_for = estimate_micro_usd
                self._wake_all()
                return False
            self._waiting += 1
            try:
                await self._settled.wait()
            finally:
                self._waiting -= 1
        self._free_micro_usd -= estimate_micro_usd
        self._open_micro_usd += estimate_micro_usd
        self._calls_open += 1
        return True

    async def _refusing(self, amount_micro_usd: int) -> str:
        """The counter without room for this: the one that has none for longest, if there are several."""
        for scope in reversed(self._scopes):
            if scope.limit_micro_usd < NO_CAP_MICRO_USD:
                committed, _ = await self._outage_retry.call(self._store.spent, scope.counter)
                if committed + amount_micro_usd > scope.limit_micro_usd:
                    return scope.counter
        return ""

    def settle(self, estimate_micro_usd: int, spent_micro_usd: int) -> None:
        """A call ended: return what it did not use (or take what it used beyond its estimate)."""
        self._calls_open -= 1
        self._open_micro_usd -= estimate_micro_usd
        self.correct(spent_micro_usd - estimate_micro_usd)

    def correct(self, more_micro_usd: int) -> None:
        """A call turned out to cost more (or, negative, less) than it was settled with."""
        self._free_micro_usd -= more_micro_usd
        self._wake_all()

    async def book_unledgered(self, amount_micro_usd: int) -> None:
        """Book spend that no ledger entry carries: a lost answer that may be on the bill.

        Counters learn of a spender by what it reserves. What a killed run may have paid is booked by whoever takes its
        claim over, who may be stopped before any call of its own: then it reserves nothing, past any cap.

        Raises StoreUnavailableError.
        """
        if amount_micro_usd:
            if not self._is_known:
                past_caps = [replace(scope, limit_micro_usd=NO_CAP_MICRO_USD) for scope in self._scopes]
                await self._reserve_as(self.spender, 0, past_caps)
            await self._outage_retry.call(self._store.spend, self.spender, amount_micro_usd)

    async def keep_lease(self) -> None:
        """Renew the lease until cancelled, so that nobody takes this run for dead."""
        while True:
            await self._clock.sleep(LEASE_SECONDS / 3)
            try:
                await in_thread(self._store.renew, self.spender, self._lease_until())
            except StoreUnavailableError:
                continue  # the next turn comes well before the lease runs out

    async def know_brake(self) -> None:
        """Look at the brake unless that was done before. Raises StoreUnavailableError."""
        await self._brake_watch.know(self._outage_retry)

    async def watch_brake(self) -> None:
        """Look at the brake until cancelled; once it is on, whoever waits for money waits no longer."""
        await self._brake_watch.keep(self._wake_all)

    async def close(self) -> None:
        """Give back what was not used. Raises StoreUnavailableError; the lease runs out by itself then."""
        for name in self._names:  # of an earlier one, what it spent after it was closed
            await in_thread(self._store.close, name)

    async def _take_block(self, estimate_micro_usd: int) -> bool:
        """Ask the counters for money, one task at a time; False when they have not even this call's."""
        async with self._taking:
            shortfall = estimate_micro_usd - self._free_micro_usd
            if shortfall <= 0:
                return True
            self._choose_block_size()
            while self._too_much is None or shortfall < self._too_much:
                amount = shortfall + (self._block_calls - 1) * estimate_micro_usd
                if self._too_much is None or amount < self._too_much:
                    if await self._reserve(amount):
                        self._free_micro_usd += amount
                        return True
                    self._too_much = amount
                if self._block_calls == 1:
                    return False
                self._block_calls = max(1, self._block_calls // 4)
            return False

    async def _reserve(self, amount_micro_usd: int) -> bool:
        """Under a further name if others closed the present one; then what is in hand and open is reserved anew, too.

        The old name stays until the new one has a reservation: only then do counters know it.
        """
        try:
            return await self._reserve_as(self.spender, amount_micro_usd)
        except SpenderClosedError:
            further = f"{self._names[0]}:{len(self._names) + 1}"
        if not await self._reserve_as(further, amount_micro_usd + self._free_micro_usd + self._open_micro_usd):
            return False
        self._names.append(further)
        self.spender = further
        return True

    async def _reserve_as(
        self, spender: str, amount_micro_usd: int, scopes: Sequence[BudgetScope] | None = None
    ) -> bool:
        is_granted = await self._outage_retry.call(
            self._store.reserve, scopes or self._scopes, spender, amount_micro_usd, self._lease_until()
        )
        self._is_known = self._is_known or is_granted
        return is_granted

    def _choose_block_size(self) -> None:
        now = self._clock.monotonic_seconds()
        if self._too_much is None and now - self._block_taken_at < BLOCK_SECONDS:
            self._block_calls = min(LARGEST_BLOCK_CALLS, self._block_calls * 2)
        self._block_taken_at = now

    def _wake_all(self) -> None:
        if self._waiting:
            self._settled.set()
            self._settled = asyncio.Event()

    def _lease_until(self) -> datetime:
        return self._clock.now() + timedelta(seconds=LEASE_SECONDS)


@dataclass(frozen=True, slots=True)
class Caps:
    """Limits in micro-dollars; None: no cap, the counter only counts."""

    per_run_micro_usd: int | None = None
    per_day_micro_usd: int | None = None
    per_partner_per_day_micro_usd: int | None = None
    per_partner_per_month_micro_usd: int | None = None

    def with_partners(self, per_day_micro_usd: int | None, per_month_micro_usd: int | None) -> "Caps":
        """With a partner's own caps; of two for the same the smaller counts."""
        days = [each for each in (self.per_partner_per_day_micro_usd, per_day_micro_usd) if each is not None]
        return replace(
            self,
            per_partner_per_day_micro_usd=min(days, default=None),
            per_partner_per_month_micro_usd=per_month_micro_usd,
        )


NO_CAPS = Caps()


def day_counter(run_date: str) -> str:
    return f"day:{run_date}"


_PARTNERS_DAY, _PARTNERS_MONTH = "partner:", "partner-month:"


def partner_counter(partner_id: str, run_date: str) -> str:
    return f"{_PARTNERS_DAY}{partner_id}:{run_date}"


def partner_month_counter(partner_id: str, run_date: str) -> str:
    """Of the UTC month that the day is in."""
    return f"{_PARTNERS_MONTH}{partner_id}:{run_date[:7]}"


def cap_behind(counter: str) -> ErrorClass:
    """Which cap it is that a counter has reached."""
    if counter.startswith(_PARTNERS_MONTH):
        return ErrorClass.PARTNER_MONTH_CAP
    return ErrorClass.PARTNER_DAY_CAP if counter.startswith(_PARTNERS_DAY) else ErrorClass.BUDGET


def scopes_of(provenance: Provenance, caps: Caps) -> list[BudgetScope]:
    """The counters a run's spend goes to: its own, its UTC day's, and its partner's day and month."""
    scopes = [
        _scope(f"run:{provenance.run_id}", caps.per_run_micro_usd),
        _scope(day_counter(provenance.run_date), caps.per_day_micro_usd),
    ]
    if provenance.partner_id:
        counter = partner_counter(provenance.partner_id, provenance.run_date)
        month = partner_month_counter(provenance.partner_id, provenance.run_date)
        scopes.append(_scope(counter, caps.per_partner_per_day_micro_usd))
        scopes.append(_scope(month, caps.per_partner_per_month_micro_usd))
    return scopes


def _scope(counter: str, limit_micro_usd: int | None) -> BudgetScope:
    return BudgetScope(counter, NO_CAP_MICRO_USD if limit_micro_usd is None else limit_micro_usd)
