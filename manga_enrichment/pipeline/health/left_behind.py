"""What killed runs left behind: answers that no log knows, calls that were on their way.

Whoever asks the same question again logs the one and books the other by itself. But a question may never be asked
again: the title changed, or left the catalog, or its prompt did. So the ledger is read through, whenever a spender was
abandoned.

Belongs here: which runs, logging, booking, the order of steps, each of which may be cut off and repeated. Stays out:
money that was set aside (`gateways/budget.py`), calls of requests that are dead (`lost_calls.py`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TypeVar

from manga_enrichment.domain.outcomes.answers import AbandonedClaim, LedgerEntry
from manga_enrichment.gateways.budget import BudgetStore
from manga_enrichment.gateways.clock import MOST_CLOCK_SKEW
from manga_enrichment.gateways.ledger import ResultLedger
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.engine.money.budget import day_counter
from manga_enrichment.pipeline.health.lost_calls import CLAIM, book_lost_call
from manga_enrichment.pipeline.log.append import log_entries

_AT_ONCE = 500
_WHY = "the run that asked this was killed: its call may have been made"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """runs: that ended without a word; answers: of theirs, logged now unless they were; booked: calls, maybe billed."""

    runs: int = 0
    answers: int = 0
    booked: int = 0

    def sentence(self) -> str:
        if not self.runs:
            return "no run ended without a word"
        return (
            f"{self.runs} runs ended without a word: {self.answers} answers of theirs are logged, "
            f"{self.booked} calls booked as maybe billed"
        )


def account_for_killed_runs(
    tables: ObjectStore, ledger: ResultLedger, budget: BudgetStore, days: Sequence[str], now: datetime, owner: str
) -> LeftBehind:
    """Of runs that began on these UTC days. owner: a name that no other claim has.

    Raises StoreUnavailableError, ConfigurationError; then the next look finds the same again.
    """
    counters, then = [day_counter(day) for day in days], now - MOST_CLOCK_SKEW
    abandoned = budget.abandoned(counters, then)
    if not abandoned:
        return LeftBehind()
    runs = {spender.split(":")[0] for spender in abandoned}
    answers = booked = 0
    for some in _batches(ledger.left_behind(runs, then), _AT_ONCE):
        entries = [each for each in some if isinstance(each, LedgerEntry)]
        log_entries(tables, entries)
        answers += len(entries)
        claims = [each for each in some if isinstance(each, AbandonedClaim)]
        booked += _book(tables, ledger, budget, claims, now, owner)
    budget.close_abandoned(counters, then, swept=abandoned)
    return LeftBehind(len(runs), answers, booked)


def _book(
    tables: ObjectStore,
    ledger: ResultLedger,
    budget: BudgetStore,
    claims: Sequence[AbandonedClaim],
    now: datetime,
    owner: str,
) -> int:
    """Take over, book, log, give up. A claim that is taken over stands for the same money until it is given up, and
    booking and row have the same name in each repetition."""
    asked = {each.fingerprint: each.asked for each in claims}
    taken = ledger.claim_many(dict.fromkeys(asked, 0), owner, now - MOST_CLOCK_SKEW, now + CLAIM)
    for fingerprint, micro_usd in taken.lost.items():
        about = asked[fingerprint]
        name = f"lost:{about.provenance.run_id}:{about.at.isoformat()}:{fingerprint}"
        book_lost_call(tables, budget, name, fingerprint, about, micro_usd, now, _WHY)
    if taken.granted:
        ledger.release_many(sorted(taken.granted), owner)
    return len(taken.lost)


def _batches(found: Iterator[_T], size: int) -> Iterator[list[_T]]:
    while some := list(islice(found, size)):
        yield some
