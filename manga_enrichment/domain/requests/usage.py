"""What a partner used in a month: ended requests, their items and tokens.

Belongs here: the figures and the name of their counter. Stays out: the money, which has exact counters of its own
(`pipeline/engine/money/budget.py`), keeping them (`aws/dynamodb/usage.py`).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from manga_enrichment.domain.requests.claims import RequestRow
from manga_enrichment.domain.requests.schemas import QUOTE


@dataclass(frozen=True, slots=True)
class Usage:
    """Of requests that workers brought to an end. Tokens: of calls that were made for them."""

    requests: int = 0
    items: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.requests + other.requests,
            self.items + other.items,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
        )


def usage_of(row: RequestRow) -> Usage:
    """A quote is no use of anything."""
    if row.schema == QUOTE:
        return Usage()
    return Usage(1, row.counts.get("items", 0), row.input_tokens, row.output_tokens)


def month_of(row: RequestRow) -> str:
    """YYYY-MM in UTC, in which it ended."""
    return f"{row.completed_at or row.updated_at:%Y-%m}"


def usage_by_month(rows: Iterable[RequestRow]) -> dict[tuple[str, str], Usage]:
    """By partner and month."""
    used: dict[tuple[str, str], Usage] = {}
    for row in rows:
        key = row.partner_id, month_of(row)
        used[key] = used.get(key, Usage()) + usage_of(row)
    return used


def usage_counter(partner_id: str, month: str) -> str:
    return f"usage:{partner_id}:{month}"
