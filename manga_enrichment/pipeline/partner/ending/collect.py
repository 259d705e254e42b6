"""After asking: what became of every item, read from the ledger and the run's unledgered attempts; and the requests
log.

Belongs here: one result per request, each cent in it once. Stays out: writing results where partners see them
(`pipeline/partner/stored/results.py`), what a step hands on (`pipeline/partner/papers.py`).
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from manga_enrichment.domain.analyses.base import Answer
from manga_enrichment.domain.outcomes.answers import LedgerEntry, Provenance
from manga_enrichment.domain.outcomes.error_classes import TREATMENTS, ErrorClass
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.domain.requests.reading.duplicates import unique_items
from manga_enrichment.domain.requests.results import ItemResult, RequestResult
from manga_enrichment.gateways.ledger import EntryReader
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.log.append import log_entries, log_rows
from manga_enrichment.pipeline.log.rows import PARTNER_TRIGGER, request_rows
from manga_enrichment.pipeline.partner.plan import PartnerPlan, PlannedItem, read_partner_plan
from manga_enrichment.pipeline.partner.stored.requests import StoredRequest

Row = Mapping[str, Any]
Log = Callable[[Provenance, Sequence[Row]], None]


class PartnerCollecting:
    def __init__(self, tables: ObjectStore, ledger: EntryReader, log: Log | None = None) -> None:
        """log: keeps this run's own rows; unless given, each run's are written at once."""
        self._tables = tables
        self._ledger = ledger
        self._log = log or partial(log_rows, tables)
        self._plans: dict[str, PartnerPlan] = {}

    def collect(
        self,
        provenance: Provenance,
        plan: PartnerPlan,
        requests: Sequence[StoredRequest],
        unledgered: Sequence[Row],
        redelivered: Collection[str] = (),
    ) -> list[RequestResult]:
        """Log every attempt at a call, then say what became of the partners' requests.

        provenance: of the run, without a partner. unledgered: rows of what is in no ledger entry. redelivered: ids of
        requests of a later generation than the first.
        """
        asked = plan.fingerprints()
        entries = self._ledger.get_many(asked) if asked else {}
        self._log(provenance, [*_paid_rows(provenance, entries), *unledgered])
        log_entries(self._tables, _earlier(provenance, plan, entries, redelivered))
        books = _Books(provenance, entries, unledgered)
        results = [_result(request, plan.items[request.request_id], books) for request in requests]
        return [self._with_earlier(each, entries) if each.request_id in redelivered else each for each in results]

    def _with_earlier(self, result: RequestResult, entries: Mapping[str, LedgerEntry]) -> RequestResult:
        """What a killed generation of the same request paid is the request's, too: its run's plan tells."""
        return replace(
            result,
            items=tuple(
                replace(item, earlier_micro_usd=entries[item.fingerprint].cost_micro_usd)
                if item.from_cache and self._paid_for(entries[item.fingerprint]) == result.request_id
                else item
                for item in result.items
            ),
        )

    def _paid_for(self, entry: LedgerEntry) -> str:
        """The request that an answer was booked on; "" when no partner's was, or its run's files are gone."""
        run_id = entry.provenance.run_id
        if entry.provenance.trigger != PARTNER_TRIGGER:
            return ""
        if entry.provenance.claim:
            return entry.provenance.claim.rpartition(":")[0]
        if run_id not in self._plans:
            try:
                self._plans[run_id] = read_partner_plan(self._tables, run_id)
            except LookupError:
                self._plans[run_id] = PartnerPlan()
        wanted = (
            call.request_ids[0]
            for call in self._plans[run_id].calls
            if (call.fingerprint, call.partner_id) == (entry.fingerprint, entry.provenance.partner_id)
        )
        return next(wanted, "")


def _paid_rows(provenance: Provenance, entries: Mapping[str, LedgerEntry]) -> Iterator[Row]:
    own = (entry for entry in entries.values() if _payer(entry.provenance) == _payer(provenance))
    return (row for entry in own for row in request_rows(entry))


def _earlier(
    provenance: Provenance, plan: PartnerPlan, entries: Mapping[str, LedgerEntry], redelivered: Collection[str]
) -> list[LedgerEntry]:
    """What an earlier generation may have paid for and been killed before it could log. Others' answers are theirs."""
    again = {item.fingerprint for request_id in redelivered for item in plan.items[request_id]}
    found = (entry for fingerprint, entry in entries.items() if fingerprint in again)
    partners = (entry for entry in found if entry.provenance.trigger == PARTNER_TRIGGER)
    return [entry for entry in partners if _payer(entry.provenance) != _payer(provenance)]


class _Books:
    """Answers and spend of a run. Spend is booked once per partner, on the first request that it was for."""

    def __init__(self, provenance: Provenance, entries: Mapping[str, LedgerEntry], unledgered: Sequence[Row]) -> None:
        self._payer = _payer(provenance)
        self._entries = entries
        self._unledgered: dict[tuple[str, str], list[Row]] = defaultdict(list)
        for row in unledgered:
            self._unledgered[row["partner_id"] or "", row["fingerprint"]].append(row)
        self._booked: set[tuple[str, str]] = set()

    def item(self, request: StoredRequest, planned: PlannedItem) -> ItemResult:
        if planned.outcome:
            outcome, said = Outcome(planned.outcome), (planned.error_class, planned.reason)
            return ItemResult(planned.analysis, planned.manga_id, outcome, *said, answer=planned.quote)
        rows = self._unledgered.get((request.partner_id, planned.fingerprint), [])
        entry = self._entries.get(planned.fingerprint)
        facts = self._spend(request.partner_id, planned.fingerprint, rows, entry) | self._span(rows, entry)
        if entry is not None:
            return _from_entry(planned, entry, facts, from_cache=_payer(entry.provenance) != self._payer)
        return _from_unledgered(planned, rows, facts)

    def _span(self, rows: Sequence[Row], entry: LedgerEntry | None) -> dict[str, int]:
        """When this run's call was under way, for whichever of its partners."""
        own = entry is not None and _payer(entry.provenance) == self._payer
        sent = [row for row in (*rows, *(request_rows(entry) if entry and own else ())) if row["attempt"]]
        starts = [(int(row["started_at"].timestamp() * 1000), row["latency_ms"]) for row in sent]
        if not starts:
            return {}
        return {"asked_from_ms": min(starts)[0], "asked_until_ms": max(start + latency for start, latency in starts)}

    def _spend(
        self, partner_id: str, fingerprint: str, rows: Sequence[Row], entry: LedgerEntry | None
    ) -> dict[str, int]:
        if (partner_id, fingerprint) in self._booked:
            return {}
        self._booked.add((partner_id, fingerprint))
        paid = [*rows]
        if entry is not None and (_payer(entry.provenance), entry.provenance.partner_id) == (self._payer, partner_id):
            paid += request_rows(entry)
        return {
            "cost_micro_usd": sum(row["cost_micro_usd"] for row in paid),
            "input_tokens": sum(
                row["input_tokens"] + row["cache_read_tokens"] + row["cache_write_tokens"] for row in paid
            ),
            "output_tokens": sum(row["output_tokens"] for row in paid),
        }


def _payer(provenance: Provenance) -> tuple[str, str]:
    return provenance.run_id, provenance.claim


def _from_entry(planned: PlannedItem, entry: LedgerEntry, facts: Mapping[str, Any], *, from_cache: bool) -> ItemResult:
    answer = entry.answer
    if answer is not None and entry.analysis != planned.analysis:
        answer = answer[planned.analysis]
    corrected: tuple[str, ...] = ()
    if answer is not None and planned.corrected:
        answer, corrected = _corrected(planned, answer)
    last = entry.attempts[-1].message if entry.attempts else ""
    return ItemResult(
        analysis=planned.analysis,
        manga_id=planned.manga_id,
        outcome=entry.outcome,
        error_class=entry.error_class.value if entry.error_class else "",
        message=last if entry.error_class else "",
        answer=answer,
        via=entry.analysis,
        fingerprint=entry.fingerprint,
        model_id=entry.model_id,
        prompt_version=entry.prompt_version,
        from_cache=from_cache,
        corrected=corrected,
        **facts,
    )


def _corrected(planned: PlannedItem, answer: Answer) -> tuple[Answer, tuple[str, ...]]:
    """What the partner gets, and where in it editors' words stand. The ledger's entry stays what the model said."""
    own = planned.corrected.get(planned.analysis, {})
    names = list(own)
    parts = {}
    for part, said in planned.corrected.items():
        if part != planned.analysis:
            parts[part] = {**answer[part], **said}
            names += [f"{part}.{name}" for name in said]
    return {**answer, **own, **parts}, tuple(sorted(names))


def _from_unledgered(planned: PlannedItem, rows: Sequence[Row], facts: Mapping[str, Any]) -> ItemResult:
    """Deferred or failed in passing. What stops a whole analysis is our fault, not the request's: it waits."""
    last = rows[-1] if rows else {"status": Outcome.DEFERRED.value, "error_class": ErrorClass.STOPPED.value}
    error_class = ErrorClass(last["error_class"] or ErrorClass.STOPPED)
    waits = TREATMENTS[error_class].stops_analysis or last["status"] != Outcome.FAILED.value
    return ItemResult(
        analysis=planned.analysis,
        manga_id=planned.manga_id,
        outcome=Outcome.DEFERRED if waits else Outcome.FAILED,
        error_class=error_class.value,
        message=last.get("message") or "",
        fingerprint=planned.fingerprint,
        **facts,
    )


def _result(request: StoredRequest, items: Sequence[PlannedItem], books: _Books) -> RequestResult:
    sent = request.body.get("items")
    index_of = unique_items(sent).index_of if sent is not None else (0,)
    return RequestResult(request.request_id, tuple(books.item(request, item) for item in items), index_of)
