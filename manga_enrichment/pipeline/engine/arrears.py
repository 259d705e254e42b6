"""Arrears: what a run that ends could not put into DynamoDB, and what it would have put there.

Belongs here: one last try, what is told of what stays unsaved, what is to be kept. Stays out: keeping it on S3 and
putting it into DynamoDB later (`pipeline/log/arrears.py`).

First the answers are kept, since a result is told as kept or as maybe billed; their attempts are logged with them. Once
all that was told is logged, the money that the counters do not know and the claims that could not be given up follow:
whoever took those over would book for calls that the log has already.
"""

from collections.abc import Callable
from dataclasses import dataclass

from manga_enrichment.domain.outcomes.answers import LedgerEntry
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.gateways.errors import StoreUnavailableError
from manga_enrichment.pipeline.engine.calls import Call, CallResult
from manga_enrichment.pipeline.engine.group_commit import LedgerWriter
from manga_enrichment.pipeline.engine.money.budget import RunBudget
from manga_enrichment.pipeline.engine.outage_retry import OutageRetry
from manga_enrichment.pipeline.engine.results import deferred, settled, unsaved, unsettled
from manga_enrichment.pipeline.engine.verdicts import CallOutcome


@dataclass(frozen=True, slots=True)
class Arrears:
    """name: no other has it. counters: where the money belongs, that of the entries, too.

    micro_usd: spent beside the entries, and logged. claims: fingerprints that `claimant` holds and needs no more.
    """

    name: str
    counters: tuple[str, ...]
    entries: tuple[LedgerEntry, ...] = ()
    micro_usd: int = 0
    claimant: str = ""
    claims: tuple[str, ...] = ()


Keep = Callable[[Arrears], None]


class UnsavedCalls:
    """What one engine asked and could not save. keep: blocking; None: there is no place to keep anything."""

    def __init__(self, writer: LedgerWriter, budget: RunBudget, keep: Keep | None) -> None:
        self._writer = writer
        self._budget = budget
        self._keep = keep
        self._calls: list[tuple[Call, CallOutcome, LedgerEntry | None]] = []
        self._owed_micro_usd = 0
        self._counters = tuple(budget.counters)

    def add(self, call: Call, outcome: CallOutcome, entry: LedgerEntry | None) -> None:
        """entry: what was to be saved; None for a passing failure whose cost was to be booked."""
        self._calls.append((call, outcome, entry))

    async def settle(self, tell: Callable[[CallResult], None], outage_retry: OutageRetry) -> None:
        """One last try for each, or until the store turns out to be away; then the answers are kept. All are told."""
        left, away = [], ""
        for call, outcome, entry in self._calls:
            try:
                result = await self._save(call, outcome, entry) if not away else None
            except Exception as error:  # noqa: BLE001 (the run has failed by now, or its deadline has come)
                why, result = str(error), None
                away = why if isinstance(error, StoreUnavailableError) else ""
            else:
                why = away
            if result is not None:
                tell(result)
            else:
                left.append((call, outcome, entry, why))
        entries = tuple(entry for _, _, entry, _ in left if entry is not None)
        kept = await self._kept(Arrears(f"{self._budget.spender}:answers", self._counters, entries), outage_retry)
        for call, outcome, entry, why in left:
            tell(self._told(call, outcome, entry, why, is_kept=kept))

    async def keep_money(self, claims: tuple[str, ...], claimant: str, outage_retry: OutageRetry) -> None:
        """When all that was told is logged. claims: those that could not be given up."""
        name, owed = f"{self._budget.spender}:money", self._owed_micro_usd
        await self._kept(Arrears(name, self._counters, (), owed, claimant, claims), outage_retry)

    async def _save(self, call: Call, outcome: CallOutcome, entry: LedgerEntry | None) -> CallResult:
        if entry is not None:
            return settled(call, outcome, await self._writer.save_now(entry))
        await self._budget.book_unledgered(outcome.cost_micro_usd)
        return unsettled(call, outcome, outcome.message)

    def _told(
        self, call: Call, outcome: CallOutcome, entry: LedgerEntry | None, why: str, *, is_kept: bool
    ) -> CallResult:
        if entry is not None and is_kept:
            return deferred(call, ErrorClass.LEDGER_UNAVAILABLE, f"answered, and kept for the ledger: {why}")
        self._owed_micro_usd += outcome.cost_micro_usd
        return unsaved(call, outcome, why)

    async def _kept(self, arrears: Arrears, outage_retry: OutageRetry) -> bool:
        """Whether it lies on S3 now. Nothing to keep is kept."""
        if not (arrears.entries or arrears.micro_usd or arrears.claims):
            return True
        if self._keep is None:
            return False
        try:
            await outage_retry.call(self._keep, arrears)
        except Exception:  # noqa: BLE001 (both stores are away: what was told stays maybe billed, claims tell the rest)
            return False
        return True
