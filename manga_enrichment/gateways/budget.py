"""Counters of money that all processes share, and the brake that stops all spending."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

SPENDER_LINGER = timedelta(hours=1)
"""How long after its lease an abandoned spender is looked at again: a run that stood still may wake, spend, and be
killed before it closes its spender itself."""


@dataclass(frozen=True, slots=True)
class BudgetScope:
    """One cap: a counter and its limit in micro-dollars."""

    counter: str
    limit_micro_usd: int


@dataclass(frozen=True, slots=True)
class Brake:
    """Nothing may be asked of a model while there is one. because: why, in the words of who pulled it."""

    because: str
    since: datetime

    def sentence(self) -> str:
        return f"the brake is on since {self.since.isoformat(timespec='seconds')}: {self.because}"


class BudgetStore(Protocol):
    """Counters of committed money. committed = spent + reserved by live spenders."""

    def reserve(
        self, scopes: Sequence[BudgetScope], spender: str, amount_micro_usd: int, lease_until: datetime
    ) -> bool:
        """Add the amount to every scope, or to none when one would pass its limit. Raises SpenderClosedError."""
        ...

    def spend(self, spender: str, amount_micro_usd: int) -> None:
        """Book spend that has no ledger entry (a lost answer that may be billed)."""
        ...

    def book_once(self, name: str, counters: Sequence[str], amount_micro_usd: int, now: datetime) -> None:
        """Add spend to the counters, past any limit; with a name that was used before nothing changes."""
        ...

    def renew(self, spender: str, lease_until: datetime) -> None: ...

    def close(self, spender: str) -> None:
        """Move the spender's actual spend into its counters and give back what it did not use. Idempotent."""
        ...

    def abandoned(self, counters: Sequence[str], now: datetime) -> list[str]:
        """Names of these counters' spenders whose lease ran out: of runs that did not end well, closed or not."""
        ...

    def close_abandoned(self, counters: Sequence[str], now: datetime, swept: Collection[str] = ()) -> list[str]:
        """Close spenders whose lease ran out, again when they spent since; returns the names of those.

        They stay among the counters' abandoned ones; those in `swept`, of which nothing else is to be accounted for,
        until SPENDER_LINGER is over.
        """
        ...

    def spent(self, counter: str) -> tuple[int, int]:
        """(committed, spent) micro-dollars of a counter; zeros when it does not exist."""
        ...

    def brake(self) -> Brake | None:
        """The brake as it stands now; None when it is off."""
        ...

    def put_brake_on(self, brake: Brake) -> Brake:
        """The brake that stands: this one, or the one that was on before it."""
        ...

    def take_brake_off(self) -> Brake | None:
        """The brake that was on; None when there was none. Idempotent."""
        ...
