"""Counters of money that all processes share."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class BudgetScope:
    """One cap: a counter and its limit in micro-dollars."""

    counter: str
    limit_micro_usd: int


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

    def renew(self, spender: str, lease_until: datetime) -> None: ...

    def close(self, spender: str) -> None:
        """Move the spender's actual spend into its counters and give back what it did not use. Idempotent."""
        ...

    def close_abandoned(self, counters: Sequence[str], now: datetime) -> list[str]:
        """Close spenders whose lease ran out (killed runs); returns their names."""
        ...

    def spent(self, counter: str) -> tuple[int, int]:
        """(committed, spent) micro-dollars of a counter; zeros when it does not exist."""
        ...
