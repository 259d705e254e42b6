"""Plan a partner run: requests, catalog and ledger in, a plan out. Bills nothing.

Belongs here: finding titles, what is known already, which calls are missing. Stays out: the plan's form
(`plan.py`), asking (`ask.py`).

An item without a note is the same question that the nightly run asks, so either uses the other's answer: its own, or
its part of a combined one. What people had asked again counts for both; an item with a note is the partner's own.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from manga_enrichment.domain.analyses.base import AnalysisType, Candidate, TitleInputs
from manga_enrichment.domain.catalog.records import MangaRecord, bucket_of
from manga_enrichment.domain.models.specs import ModelCatalog, ModelSpec
from manga_enrichment.domain.operations.quota_lanes import lane_of_priority
from manga_enrichment.domain.outcomes.answers import LedgerEntry
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.domain.prompts.again import NEVER, Numbers, number_of, numbers_of
from manga_enrichment.domain.prompts.conversations import CONVERSATION, conversation_fingerprint, conversation_inputs
from manga_enrichment.domain.prompts.prompt import title_inputs
from manga_enrichment.domain.requests.reading.duplicates import unique_items
from manga_enrichment.domain.requests.schemas import BATCH, QUOTE
from manga_enrichment.gateways.ledger import EntryReader
from manga_enrichment.gateways.objects import ObjectStore, TableReader
from manga_enrichment.pipeline.again.store import read_presses
from manga_enrichment.pipeline.batch.job_store import BatchStore
from manga_enrichment.pipeline.candidates.tables import candidates_from_table
from manga_enrichment.pipeline.catalog.reader import check_bucket_count, read_catalog
from manga_enrichment.pipeline.catalog.tables import records_from_table
from manga_enrichment.pipeline.engine.build_call import Question
from manga_enrichment.pipeline.labels.corrections import Corrections, read_corrections
from manga_enrichment.pipeline.partner.conversations import read_history, session_name
from manga_enrichment.pipeline.partner.plan import (
    UNKNOWN_TITLE,
    PartnerPlan,
    PlannedCall,
    PlannedItem,
    corrected,
    decided,
)
from manga_enrichment.pipeline.partner.quotes import quoted_item
from manga_enrichment.pipeline.partner.shelf import Shelf
from manga_enrichment.pipeline.partner.stored.requests import StoredRequest
from manga_enrichment.pipeline.store.object_keys import table_key

CONVERSATION_BUCKET = "conversations"
"""Stands for a catalog bucket in the requests log."""

Recall = Callable[[str, Callable[[], Any]], Any]


def anew(_name: str, make: Callable[[], Any]) -> Any:
    return make()


@dataclass(frozen=True, slots=True)
class _Title:
    record: MangaRecord
    bucket: str
    candidates: tuple[Candidate, ...]
    numbers: Numbers


@dataclass(frozen=True, slots=True)
class _Wish:
    """An item that takes an answer. sources: fingerprints that may hold it, its own first."""

    request: StoredRequest
    analysis: AnalysisType
    alias: str
    model: ModelSpec
    bucket: str
    inputs: TitleInputs
    sources: tuple[str, ...]


class PartnerPlanning:
    def __init__(
        self,
        *,
        tables: ObjectStore,
        ledger: EntryReader,
        analyses: Mapping[str, AnalysisType],
        models: ModelCatalog,
        bucket_count: int,
        catalog: TableReader | None = None,
        recall: Recall = anew,
        shelf: Shelf | None = None,
    ) -> None:
        """catalog: where titles and candidates are read; `tables` unless given.

        recall: gives what it was given under this name before, for as long as it may be used, else makes it.
        shelf: titles for conversations.
        """
        self._recall = recall
        self._tables = tables
        self._catalog = tables if catalog is None else catalog
        self._ledger = ledger
        self._analyses = analyses
        self._models = models
        self._bucket_count = bucket_count
        self._shelf = shelf

    def plan(self, requests: Sequence[StoredRequest]) -> PartnerPlan:
        """Raises ConfigurationError when the catalog was never imported or has another bucket count."""
        batches = [request for request in requests if request.schema in (BATCH, QUOTE)]
        wanted = {item["manga_id"] for request in batches for item in request.body["items"]}
        titles = self._titles(wanted) if wanted else {}
        found = {request.request_id: list(self._wishes(request, titles)) for request in batches}
        wishes = [wish for each in found.values() for wish in each if isinstance(wish, _Wish)]
        entries = self._entries(wishes)
        pending = self._pending(wishes)
        corrections = self._corrections(wish for wish in wishes if wish.request.schema == BATCH)
        plan = PartnerPlan()
        calls: dict[tuple[str, str], PlannedCall] = {}
        for request in requests:
            if request.schema == QUOTE:
                plan.items[request.request_id] = list(_quoted(found[request.request_id], entries, pending))
            elif request.schema == BATCH:
                items = (
                    _item(wish, entries, pending, calls) if isinstance(wish, _Wish) else wish
                    for wish in found[request.request_id]
                )
                plan.items[request.request_id] = list(corrected(items, corrections))
            else:
                plan.items[request.request_id] = [self._conversation(request, calls)]
        plan.calls = list(calls.values())
        return plan

    def _titles(self, wanted: Collection[str]) -> dict[str, _Title]:
        """The wanted titles that the catalog has, read bucket by bucket."""
        self._recall("bucket count", lambda: check_bucket_count(self._tables, self._bucket_count))
        by_bucket: dict[str, list[str]] = {}
        for manga_id in sorted(wanted):
            by_bucket.setdefault(bucket_of(manga_id, self._bucket_count), []).append(manga_id)
        titles = {}
        for bucket, ids in by_bucket.items():
            candidates, again = self._candidates(bucket, ids), self._again(bucket)
            for record in records_from_table(_only(read_catalog(self._catalog, bucket), ids)):
                manga_id = record.manga_id
                shown, numbers = candidates.get(manga_id, ()), again.get(manga_id, NEVER)
                titles[manga_id] = _Title(record, bucket, shown, numbers)
        return titles

    def _candidates(self, bucket: str, ids: Sequence[str]) -> dict[str, tuple[Candidate, ...]]:
        stored = self._catalog.read(table_key("similar_candidates", bucket))
        return {} if stored is None else candidates_from_table(_only(stored.table, ids))

    def _again(self, bucket: str) -> Mapping[str, Numbers]:
        found: Mapping[str, Numbers] = self._recall(
            f"asked again in {bucket}", lambda: read_presses(self._tables, bucket).numbers
        )
        return found

    def _wishes(self, request: StoredRequest, titles: Mapping[str, _Title]) -> Iterator[_Wish | PlannedItem]:
        for item in unique_items(request.body["items"]).items:
            title = titles.get(item["manga_id"])
            if title is None:
                reason = "the catalog has no title with this manga_id"
                yield decided(item["analysis_type"], item["manga_id"], Outcome.FAILED, UNKNOWN_TITLE, reason)
            else:
                yield self._wish(request, item, title)

    def _wish(self, request: StoredRequest, item: Mapping[str, Any], title: _Title) -> _Wish | PlannedItem:
        analysis = self._analyses[item["analysis_type"]]
        note = item.get("additional_context", "")
        numbers = NEVER if note else title.numbers
        number = number_of(analysis, numbers)
        asked = self._question(analysis, title, note, request, number)
        inputs = asked.inputs
        problem = analysis.sufficient(inputs)
        if problem is not None:
            return decided(analysis.name, inputs.manga_id, Outcome.INSUFFICIENT_INPUT, "", problem)
        others = (other for other in self._analyses.values() if analysis.name in other.parts)
        kinds = [(analysis, number), *((each, n) for each in others for n in numbers_of(each, numbers) if n >= number)]
        sources = tuple(self._question(kind, title, note, request, n).fingerprint for kind, n in kinds)
        return _Wish(request, analysis, self._alias(analysis, request), asked.model, title.bucket, inputs, sources)

    def _question(
        self, analysis: AnalysisType, title: _Title, note: str, request: StoredRequest, number: int
    ) -> Question:
        inputs = title_inputs(analysis, title.record, title.candidates, note, number)
        return Question(analysis, self._models.resolve_in(_lane(request), self._alias(analysis, request)), inputs)

    def _alias(self, analysis: AnalysisType, request: StoredRequest) -> str:
        """The model that the partner chose, else its lane's."""
        chosen = request.body.get("model", "")
        return chosen or self._models.alias_for(analysis.name, analysis.model_alias, _lane(request))

    def _entries(self, wishes: Sequence[_Wish]) -> Mapping[str, LedgerEntry]:
        asked = sorted({source for wish in wishes for source in wish.sources})
        return self._ledger.get_many(asked) if asked else {}

    def _pending(self, wishes: Sequence[_Wish]) -> Collection[str]:
        """What a batch job is asking for already; it is not paid for twice."""
        buckets = sorted({wish.bucket for wish in wishes})
        name = f"pending in {' '.join(buckets)}"
        found: Collection[str] = self._recall(name, lambda: BatchStore(self._tables).pending(buckets)) if wishes else ()
        return found

    def _corrections(self, wishes: Iterable[_Wish]) -> dict[str, list[Corrections]]:
        """By analysis; of a combined one those of its parts."""
        parts = {wish.analysis.name: wish.analysis.parts or (wish.analysis.name,) for wish in wishes}
        known: dict[str, Corrections] = {}
        for name in sorted({name for each in parts.values() for name in each if self._analyses[name].columns}):
            read = partial(read_corrections, self._tables, self._analyses[name])
            known[name] = self._recall(f"corrections of {name}", read)
        return {name: [known[each] for each in of if each in known] for name, of in parts.items()}

    def _conversation(self, request: StoredRequest, calls: dict[tuple[str, str], PlannedCall]) -> PlannedItem:
        session = session_name(request.partner_id, request.schema, request.body)
        history = read_history(self._tables, session, request.request_id)
        asked = conversation_fingerprint(request.request_id)
        titles = None if self._shelf is None else self._shelf.titles(request.schema, request.body, history.turns)
        calls[request.partner_id, asked] = PlannedCall(
            fingerprint=asked,
            analysis=CONVERSATION.name,
            partner_id=request.partner_id,
            manga_id=conversation_inputs(request.request_id).manga_id,
            bucket=CONVERSATION_BUCKET,
            request_ids=[request.request_id],
            model_alias=request.body["model"],
            schema=request.schema,
            body=request.body,
            history=[(turn.role, turn.content) for turn in history.turns],
            candidates=titles or (),
            knows_catalog=titles is not None,
        )
        return PlannedItem(CONVERSATION.name, fingerprint=asked)


def _item(
    wish: _Wish,
    entries: Mapping[str, LedgerEntry],
    pending: Collection[str],
    calls: dict[tuple[str, str], PlannedCall],
) -> PlannedItem:
    """The item with the answer it takes; what nobody has is added to the calls."""
    name, manga_id, own = wish.analysis.name, wish.inputs.manga_id, wish.sources[0]
    for source in wish.sources:
        if source in entries and entries[source].outcome is Outcome.SUCCEEDED:
            return PlannedItem(name, manga_id, source)
    if own in entries:
        return PlannedItem(name, manga_id, own)
    if not set(wish.sources).isdisjoint(pending):
        reason = "a batch job is asking for it"
        return decided(name, manga_id, Outcome.DEFERRED, ErrorClass.BATCH_PENDING.value, reason)
    request = wish.request
    call = calls.setdefault((request.partner_id, own), _title_call(wish))
    if request.request_id not in call.request_ids:
        call.request_ids.append(request.request_id)
    return PlannedItem(name, manga_id, own)


def _quoted(
    wishes: Iterable[_Wish | PlannedItem], entries: Mapping[str, LedgerEntry], pending: Collection[str]
) -> Iterator[PlannedItem]:
    """What each would come to; nothing is asked."""
    written: set[tuple[str, str]] = set()
    for wish in wishes:
        calls: dict[tuple[str, str], PlannedCall] = {}
        item = _item(wish, entries, pending, calls) if isinstance(wish, _Wish) else wish
        question = Question(wish.analysis, wish.model, wish.inputs) if calls and isinstance(wish, _Wish) else None
        outcome = entries[item.fingerprint].outcome.value if item.fingerprint in entries else item.outcome
        prefix = (question.analysis.name, question.model.model_id) if question else None
        yield quoted_item(item, outcome, question, is_first=prefix not in written)
        if prefix:
            written.add(prefix)


def _title_call(wish: _Wish) -> PlannedCall:
    return PlannedCall(
        fingerprint=wish.sources[0],
        analysis=wish.analysis.name,
        partner_id=wish.request.partner_id,
        manga_id=wish.inputs.manga_id,
        bucket=wish.bucket,
        request_ids=[wish.request.request_id],
        fields=wish.inputs.fields,
        candidates=wish.inputs.candidates,
        additional_context=wish.inputs.additional_context,
        again=wish.inputs.again,
        model_alias=wish.alias,
    )


def _lane(request: StoredRequest) -> str:
    """In which a batch is, or for a quote would be."""
    return lane_of_priority(request.body.get("priority", "normal"))


def _only(table: pa.Table, ids: Sequence[str]) -> pa.Table:
    return table.filter(pc.is_in(table.column("manga_id"), value_set=pa.array(ids, pa.string())))
