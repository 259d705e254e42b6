"""Papers of one request, in memory: its run works at it from claim to ack in one process.

Belongs here: what its steps hand on. Stays out: papers that outlive a process (`pipeline/partner/papers.py`).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from manga_enrichment.domain.outcomes.answers import LedgerEntry, Provenance
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.requests.results import RequestResult
from manga_enrichment.gateways.ledger import EntryReader
from manga_enrichment.pipeline.engine.calls import CallResult
from manga_enrichment.pipeline.log.append import log_parts
from manga_enrichment.pipeline.partner.plan import PartnerPlan
from manga_enrichment.pipeline.partner.work_units import WorkUnit
from manga_enrichment.pipeline.store.flusher import Part


class HeldPapers:
    """Of a unit of one request. Its next generation finds the answers in the ledger and needs no papers of this one."""

    def __init__(self, unit: WorkUnit) -> None:
        self._unit = unit
        self._plan = PartnerPlan()
        self._attempts: list[Mapping[str, Any]] = []
        self._tried: set[tuple[str, str]] = set()
        self._unsent: dict[tuple[str, str], Mapping[str, Any]] = {}
        self._log: list[tuple[Provenance, Mapping[str, Any]]] = []
        self._results: list[RequestResult] = []
        self._entries: dict[str, LedgerEntry] = {}

    def unit(self, key: str) -> WorkUnit:
        if key != self._unit.key:
            raise LookupError(f"there is no work unit {key} here")
        return self._unit

    def keep_plan(self, plan: PartnerPlan) -> None:
        self._plan = plan

    def plan(self) -> PartnerPlan:
        return self._plan

    def add_unledgered(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Of one try at an analysis. A later try may say anew why nothing was sent, unless it was only ended."""
        for row in rows:
            question = row["analysis"], row["fingerprint"]
            if row["attempt"]:
                self._attempts.append(row)
                self._tried.add(question)
                self._unsent.pop(question, None)
            elif row["error_class"] != ErrorClass.STOPPED.value or question not in self._tried | self._unsent.keys():
                self._unsent[question] = row

    def unledgered(self) -> Sequence[Mapping[str, Any]]:
        return [*self._attempts, *self._unsent.values()]

    def add_entries(self, results: Iterable[CallResult]) -> None:
        """What the ledger has of these calls now, as their engine says."""
        self._entries |= {each.call.fingerprint: each.entry for each in results if each.entry is not None}

    def entries(self, ledger: EntryReader) -> EntryReader:
        """The ledger, asked only for what is not known here."""
        return _Known(self._entries, ledger)

    def log(self, provenance: Provenance, rows: Sequence[Mapping[str, Any]]) -> None:
        """Rows of the requests log, to be flushed when the request is settled."""
        self._log = [(provenance, row) for row in rows]

    def logged(self) -> list[Part]:
        return log_parts(self._log)

    def keep_collected(self, results: Sequence[RequestResult]) -> None:
        self._results = list(results)

    def collected(self) -> list[RequestResult]:
        return self._results


class _Known:
    def __init__(self, entries: Mapping[str, LedgerEntry], ledger: EntryReader) -> None:
        self._entries, self._ledger = entries, ledger

    def get_many(self, fingerprints: Sequence[str]) -> dict[str, LedgerEntry]:
        unknown = [each for each in fingerprints if each not in self._entries]
        known = {each: self._entries[each] for each in fingerprints if each in self._entries}
        return {**known, **self._ledger.get_many(unknown)} if unknown else known
