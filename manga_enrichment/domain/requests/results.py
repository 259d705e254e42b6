"""What a partner gets: one result per item, one document per request and its rows, which follow from it.

Belongs here: the shape of a result, the state and the sums that follow from items. Stays out: finding the
answers (`pipeline/partner/ending/collect.py`), rows (`result_rows.py`), storing (`pipeline/partner/stored/results.py`).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from manga_enrichment.domain.models.usage import usd
from manga_enrichment.domain.outcomes.error_classes import TREATMENTS, ErrorClass
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.domain.requests.quotes import quote_document
from manga_enrichment.domain.requests.schemas import QUOTE
from manga_enrichment.domain.requests.states import RequestState, settled_state

RESULT_VERSION = 1
CANCELLED = "cancelled"
"""Error class of items that were not asked any more."""


@dataclass(frozen=True, slots=True)
class ItemResult:
    """One different item. Cost and tokens are 0 when the answer was there before.

    answer: JSON of the analysis; None unless the outcome is `succeeded`. corrected: where in it a person's correction
    stands instead of the model's word, `part.property` in a combined one. earlier_micro_usd: what an earlier generation
    of the same request paid for the answer. asked_from_ms, asked_until_ms: since 1970, of the first attempt
    of its call and the end of the last; 0 when this run asked nothing for it.
    """

    analysis: str
    manga_id: str
    outcome: Outcome
    error_class: str = ""
    message: str = ""
    answer: Mapping[str, Any] | None = None
    via: str = ""
    fingerprint: str = ""
    model_id: str = ""
    prompt_version: str = ""
    from_cache: bool = False
    corrected: Sequence[str] = ()
    cost_micro_usd: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    earlier_micro_usd: int = 0
    asked_from_ms: int = 0
    asked_until_ms: int = 0

    @property
    def is_transient(self) -> bool:
        return self.error_class in set(ErrorClass) and TREATMENTS[ErrorClass(self.error_class)].transient

    def tried_again(self) -> "ItemResult":
        """Of what failed in passing: its answer was lost."""
        lost = self.outcome is Outcome.FAILED and self.is_transient
        return replace(self, outcome=Outcome.DEFERRED) if lost else self

    def given_up(self) -> "ItemResult":
        """The failure of an item that has waited long enough."""
        return replace(self, outcome=Outcome.FAILED) if self.outcome is Outcome.DEFERRED else self

    def cancelled(self) -> "ItemResult":
        """Of what still waits; an attempt that was made for it stays billed."""
        if self.outcome is not Outcome.DEFERRED:
            return self
        return replace(self, outcome=Outcome.CANCELLED, error_class=CANCELLED, message="cancelled before its answer")


@dataclass(frozen=True, slots=True)
class RequestResult:
    """items: different ones. index_of: for each item as sent, its place in `items`."""

    request_id: str
    items: tuple[ItemResult, ...]
    index_of: tuple[int, ...]

    @property
    def state(self) -> RequestState:
        """Deferred while an item waits for another try."""
        count = Counter(item.outcome for item in self.items)
        answered = count[Outcome.SUCCEEDED] + count[Outcome.INSUFFICIENT_INPUT]
        failed, deferred, cancelled = (count[each] for each in (Outcome.FAILED, Outcome.DEFERRED, Outcome.CANCELLED))
        return settled_state(answered=answered, failed=failed, deferred=deferred, cancelled=cancelled)

    @property
    def waits_for_a_run_alone(self) -> bool:
        """What has no answer was stopped before anything was asked for it: for no quota, no money, no service."""
        waiting = [item for item in self.items if item.outcome is Outcome.DEFERRED]
        return all(item.error_class == ErrorClass.STOPPED and not item.asked_until_ms for item in waiting)

    @property
    def counts(self) -> dict[str, int]:
        """Items as sent, and those of each outcome."""
        by_outcome = Counter(self.items[place].outcome.value for place in self.index_of)
        return {"items": len(self.index_of), **dict(sorted(by_outcome.items()))}

    @property
    def cost_micro_usd(self) -> int:
        return sum(item.cost_micro_usd for item in self.items)

    def cost_of_all_generations(self, recorded_micro_usd: int) -> int:
        """recorded_micro_usd: what the status row says of earlier generations; a killed one recorded nothing."""
        return self.cost_micro_usd + max(recorded_micro_usd, sum(item.earlier_micro_usd for item in self.items))

    @property
    def input_tokens(self) -> int:
        return sum(item.input_tokens for item in self.items)

    @property
    def output_tokens(self) -> int:
        return sum(item.output_tokens for item in self.items)

    def model_seconds(self, since: datetime) -> float:
        """For how long any call of it was under way; what lies before `since` was asked for another request."""
        until_ms, waited_ms = int(since.timestamp() * 1000), 0
        for start_ms, end_ms in sorted((item.asked_from_ms, item.asked_until_ms) for item in self.items):
            waited_ms += max(0, end_ms - max(start_ms, until_ms))
            until_ms = max(until_ms, end_ms)
        return waited_ms / 1000

    @property
    def error_class(self) -> str:
        """The commonest one, of those that may pass if there are any: what decides whether trying again is of use."""
        bad = [item for item in self.items if item.error_class]
        passing = [item for item in bad if item.is_transient]
        counted = Counter(item.error_class for item in passing or bad)
        return min(counted, key=lambda name: (-counted[name], name), default="")

    @property
    def reason(self) -> str:
        """One sentence; "" when every item got what there is to get."""
        bad = Counter(self.items[place].error_class for place in self.index_of if self.items[place].error_class)
        named = ", ".join(f"{count} {name}" for name, count in bad.most_common())
        return f"{bad.total()} of {len(self.index_of)} items without an answer: {named}" if bad else ""

    def tried_again(self) -> "RequestResult":
        """Waiting for the answers that were lost."""
        return replace(self, items=tuple(item.tried_again() for item in self.items))

    def given_up(self) -> "RequestResult":
        return replace(self, items=tuple(item.given_up() for item in self.items))

    def cancelled(self) -> "RequestResult":
        """With the answers that there are, and nothing left to wait for."""
        return replace(self, items=tuple(item.cancelled() for item in self.items))

    def to_document(self) -> dict[str, Any]:
        """For handing on between ops."""
        return asdict(self)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "RequestResult":
        items = tuple(ItemResult(**{**item, "outcome": Outcome(item["outcome"])}) for item in document["items"])
        return cls(document["request_id"], items, tuple(document["index_of"]))


@dataclass(frozen=True, slots=True)
class References:
    """The partner's own names. items: of items as sent, "" where it gave none; () where it named no item."""

    request: str = ""
    items: tuple[str, ...] = ()

    def of_item(self, position: int) -> str | None:
        return (self.items[position] if self.items else "") or None

    @classmethod
    def of_body(cls, body: Mapping[str, Any]) -> "References":
        """body: a valid one."""
        return cls(body.get("reference", ""), tuple(each.get("reference", "") for each in body.get("items", ())))


NO_REFERENCES = References()


@dataclass(frozen=True, slots=True)
class ResultHeading:
    """What stands above the items. cost_micro_usd is that of all generations."""

    request_id: str
    partner_id: str
    schema: str
    generation: int
    submitted_at: datetime
    completed_at: datetime
    cost_micro_usd: int
    references: References = NO_REFERENCES


def result_document(
    heading: ResultHeading, result: RequestResult, warnings: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """The document that the partner fetches. warnings: what was odd about the request, as documents."""
    is_quote = heading.schema == QUOTE
    return {
        "result_version": RESULT_VERSION,
        "request_id": heading.request_id,
        "partner_id": heading.partner_id,
        "schema": heading.schema,
        "reference": heading.references.request or None,
        "status": result.state.value,
        "generation": heading.generation,
        "submitted_at": heading.submitted_at.isoformat(),
        "completed_at": heading.completed_at.isoformat(),
        "counts": result.counts,
        "cost_usd": usd(heading.cost_micro_usd),
        "warnings": [dict(each) for each in warnings],
        **({"quote": _quote(heading, result)} if is_quote else {}),
        "items": []
        if is_quote
        else [
            {
                "position": position,
                "reference": heading.references.of_item(position),
                **_item_document(result.items[place], is_first=place not in result.index_of[:position]),
            }
            for position, place in enumerate(result.index_of)
        ],
    }


def _quote(heading: ResultHeading, result: RequestResult) -> dict[str, Any]:
    items = [
        {
            "position": position,
            "reference": heading.references.of_item(position),
            "manga_id": result.items[place].manga_id,
            "analysis_type": result.items[place].analysis,
            "quoted": result.items[place].answer,
            "is_first": place not in result.index_of[:position],
        }
        for position, place in enumerate(result.index_of)
    ]
    return quote_document(items, [item.answer for item in result.items if item.answer is not None])


def _item_document(item: ItemResult, *, is_first: bool) -> dict[str, Any]:
    error = {"class": item.error_class, "message": item.message} if item.error_class or item.message else None
    return {
        "manga_id": item.manga_id or None,
        "analysis_type": item.analysis,
        "status": item.outcome.value,
        "answer": item.answer,
        "error": error,
        "model_id": item.model_id or None,
        "prompt_version": item.prompt_version or None,
        "via": item.via or None,
        "fingerprint": item.fingerprint or None,
        "from_cache": item.from_cache,
        "corrected": list(item.corrected),
        "cost_micro_usd": item.cost_micro_usd if is_first else 0,
        "input_tokens": item.input_tokens if is_first else 0,
        "output_tokens": item.output_tokens if is_first else 0,
    }
