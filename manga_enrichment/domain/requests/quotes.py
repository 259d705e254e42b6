"""What a batch would come to, before anything is asked: by item, and in sum.

Belongs here: the document that partners and operators see. Stays out: where the figures come from
(`pipeline/partner/quotes.py`).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from manga_enrichment.domain.models.usage import usd


class QuoteStatus(StrEnum):
    """known: its answer is there, and free; to_ask: it would be asked and billed; pending: a job is asking for it, and
    it is free once that is done; insufficient_input: too little text, never asked; no_answer: the title is unknown, or
    it was asked in vain before."""

    KNOWN = "known"
    TO_ASK = "to_ask"
    PENDING = "pending"
    INSUFFICIENT_INPUT = "insufficient_input"
    NO_ANSWER = "no_answer"


@dataclass(frozen=True, slots=True)
class QuotedItem:
    """Tokens and money of one call. most_micro_usd: with the longest answer, and the prompt cache to be written."""

    status: QuoteStatus
    error_class: str = ""
    reason: str = ""
    model_id: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cost_micro_usd: int = 0
    most_micro_usd: int = 0

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def quote_document(items: Sequence[Mapping[str, Any]], quoted: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """items: as sent, each with position, manga_id, analysis_type and, where it comes first, what is told of it.

    quoted: the different ones.
    """
    told = [_item_document(item) for item in items]
    return {
        "counts": {"items": len(told), **dict(sorted(Counter(each["status"] for each in told).items()))},
        "input_tokens": sum(each["input_tokens"] for each in told),
        "output_tokens": sum(each["output_tokens"] for each in told),
        "cost_usd": usd(sum(each["cost_micro_usd"] for each in quoted)),
        "at_most_usd": usd(sum(each["most_micro_usd"] for each in quoted)),
        "items": told,
    }


def _item_document(item: Mapping[str, Any]) -> dict[str, Any]:
    """A repetition of an earlier item costs nothing."""
    quoted, is_first = item["quoted"], item["is_first"]
    error = {"class": quoted["error_class"], "message": quoted["reason"]} if quoted["reason"] else None
    return {
        **{name: item[name] for name in ("position", "reference", "manga_id", "analysis_type")},
        "status": str(quoted["status"]),
        "model_id": quoted["model_id"] or None,
        "input_tokens": quoted["input_tokens"] if is_first else 0,
        "output_tokens": quoted["output_tokens"] if is_first else 0,
        "cost_usd": usd(quoted["cost_micro_usd"]) if is_first else 0,
        "error": error,
    }
