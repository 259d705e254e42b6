"""The plan of a partner run: what each request wants, what is known already, what must be asked.

Belongs here: items, calls, and both as one JSON document, so that ops hand on a pointer. Stays out: making the plan
(`plan_run.py`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from manga_enrichment.domain.analyses.base import Candidate, TitleInputs
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.labels.corrections import Corrections
from manga_enrichment.pipeline.store.object_keys import run_document_key

UNKNOWN_TITLE = "unknown_title"


@dataclass(frozen=True, slots=True)
class PlannedItem:
    """One different item of a request.

    fingerprint   of the answer to use, or to wait for; "" when the item was decided without one
    outcome       "" until there is an answer
    quote         what it would take, where that is all that was asked for
    corrected     what editors say instead: by analysis, of a combined one by each part, value by property of the answer
    """

    analysis: str
    manga_id: str = ""
    fingerprint: str = ""
    outcome: str = ""
    error_class: str = ""
    reason: str = ""
    quote: Mapping[str, Any] | None = None
    corrected: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def corrected(items: Iterable[PlannedItem], corrections: Mapping[str, Sequence[Corrections]]) -> Iterator[PlannedItem]:
    """With what stands of corrections, by the item's analysis. Its answer is known when it is collected."""
    for item in items:
        found = {each.analysis.name: each.in_answer(item.manga_id) for each in corrections.get(item.analysis, ())}
        stands = {name: said for name, said in found.items() if said}
        yield replace(item, corrected=stands) if item.fingerprint else item


def decided(analysis: str, manga_id: str, outcome: Outcome, error_class: str, reason: str) -> PlannedItem:
    return PlannedItem(analysis, manga_id, outcome=outcome.value, error_class=error_class, reason=reason)


@dataclass(slots=True)
class PlannedCall:
    """One missing answer and the requests that wait for it.

    fields, candidates, additional_context, again: a title's inputs. For a conversation, history: turns before the one
    to be answered; body: the request; candidates: titles that it is shown, where it knows_catalog.
    """

    fingerprint: str
    analysis: str
    partner_id: str
    manga_id: str
    bucket: str
    request_ids: list[str]
    model_alias: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)
    candidates: tuple[Candidate, ...] = ()
    additional_context: str = ""
    schema: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)
    history: list[tuple[str, str]] = field(default_factory=list)
    knows_catalog: bool = False
    again: int = 0

    def inputs(self) -> TitleInputs:
        values = {name: tuple(value) if isinstance(value, list) else value for name, value in self.fields.items()}
        return TitleInputs(self.manga_id, values, self.candidates, self.additional_context, self.again)


@dataclass(slots=True)
class PartnerPlan:
    """items: by request_id, in the order of the request's different items."""

    items: dict[str, list[PlannedItem]] = field(default_factory=dict)
    calls: list[PlannedCall] = field(default_factory=list)

    def analyses(self) -> list[str]:
        """Those that something is asked of."""
        return sorted({call.analysis for call in self.calls})

    def fingerprints(self) -> list[str]:
        return sorted({item.fingerprint for items in self.items.values() for item in items if item.fingerprint})


def write_partner_plan(tables: ObjectStore, run_id: str, plan: PartnerPlan) -> None:
    tables.write_json(run_document_key(run_id, "plan"), asdict(plan))


def read_partner_plan(tables: ObjectStore, run_id: str) -> PartnerPlan:
    """Raises LookupError when the run made none."""
    document = tables.read_json(run_document_key(run_id, "plan"))
    if document is None:
        raise LookupError(f"run {run_id} has no plan: its requests come again by themselves")
    return PartnerPlan(
        items={request_id: [PlannedItem(**item) for item in items] for request_id, items in document["items"].items()},
        calls=[_call(call) for call in document["calls"]],
    )


def _call(document: Mapping[str, Any]) -> PlannedCall:
    candidates = tuple(Candidate(**each) for each in document["candidates"])
    history = [(role, content) for role, content in document["history"]]
    return PlannedCall(**{**document, "candidates": candidates, "history": history})
