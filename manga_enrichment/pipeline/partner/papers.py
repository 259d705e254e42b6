"""Papers: what the steps of a partner run hand on to each other.

Belongs here: the form, and papers that are stored under the run's id, since each op hands on pointers and can be tried
again by itself. Stays out: what is written on them (`plan.py`, `ending/collect.py`).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from manga_enrichment.domain.requests.results import RequestResult
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.log.unledgered import read_all_unledgered
from manga_enrichment.pipeline.partner.plan import PartnerPlan, read_partner_plan, write_partner_plan
from manga_enrichment.pipeline.partner.stored.units import read_unit
from manga_enrichment.pipeline.partner.work_units import WorkUnit
from manga_enrichment.pipeline.store.object_keys import run_document_key


class Papers(Protocol):
    """Of one run. Reading raises LookupError for what nobody has written (or what is gone)."""

    def unit(self, key: str) -> WorkUnit: ...

    def keep_plan(self, plan: PartnerPlan) -> None: ...

    def plan(self) -> PartnerPlan: ...

    def unledgered(self) -> Sequence[Mapping[str, Any]]:
        """Rows of what was sent or decided and is in no ledger entry."""
        ...

    def keep_collected(self, results: Sequence[RequestResult]) -> None: ...

    def collected(self) -> list[RequestResult]: ...


class StoredPapers:
    """Papers in the results bucket, where every op of the run finds them."""

    def __init__(self, tables: ObjectStore, run_id: str) -> None:
        self._tables = tables
        self._run_id = run_id

    def unit(self, key: str) -> WorkUnit:
        return read_unit(self._tables, key)

    def keep_plan(self, plan: PartnerPlan) -> None:
        write_partner_plan(self._tables, self._run_id, plan)

    def plan(self) -> PartnerPlan:
        return read_partner_plan(self._tables, self._run_id)

    def unledgered(self) -> Sequence[Mapping[str, Any]]:
        return read_all_unledgered(self._tables, self._run_id)

    def keep_collected(self, results: Sequence[RequestResult]) -> None:
        document = {"results": [result.to_document() for result in results]}
        self._tables.write_json(run_document_key(self._run_id, "collected"), document)

    def collected(self) -> list[RequestResult]:
        document = self._tables.read_json(run_document_key(self._run_id, "collected"))
        if document is None:
            raise LookupError(f"run {self._run_id} has collected nothing: its requests come again by themselves")
        return [RequestResult.from_document(each) for each in document["results"]]
