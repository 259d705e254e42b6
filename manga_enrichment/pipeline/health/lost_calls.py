"""Lost calls: claims that a dead request's runs left behind, booked as maybe billed.

Belongs here: taking over what has run out, counters, a row in the requests log, giving up the claim. Stays out: which
calls (`dead_requests.py`); what a run that asks again books by itself (`pipeline/engine/call_loop.py`).

A claim that is taken over stands for the same money until it is given up, and the booking has a name and a row that are
the same in every repetition: killed anywhere in between, the next look books nothing twice.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.models.specs import ModelCatalog
from manga_enrichment.domain.operations.quota_lanes import LANE_OF_QUEUE
from manga_enrichment.domain.outcomes.answers import Asked, Attempt, ClaimResult, Provenance
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.domain.prompts.conversations import CONVERSATION
from manga_enrichment.domain.requests.claims import RequestRow
from manga_enrichment.gateways.budget import BudgetStore
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.ledger import ResultLedger
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.engine.money.budget import NO_CAPS, scopes_of
from manga_enrichment.pipeline.log.append import log_rows
from manga_enrichment.pipeline.log.rows import PARTNER_TRIGGER, Row, attempt_row, row_identity
from manga_enrichment.pipeline.partner.plan import PlannedCall

CLAIM = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class LostCalls:
    """new_owner: a name that no other claim has: its own next try, too, must find what it took over and did not book.
    clock_skew: claims of others count as run out that much later.
    """

    tables: ObjectStore
    ledger: ResultLedger
    budget: BudgetStore
    clock: Clock
    clock_skew: timedelta
    new_owner: Callable[[], str]
    analyses: Mapping[str, AnalysisType]
    models: ModelCatalog

    def book(self, row: RequestRow, calls: Iterable[PlannedCall]) -> ClaimResult:
        """contended: another run is asking for these, or their claims have not run out yet: they are not booked.

        Safe to repeat. Raises StoreUnavailableError, ConfigurationError.
        """
        wanted = {call.fingerprint: call for call in calls}
        if not wanted:
            return ClaimResult()
        now, owner = self.clock.now(), self.new_owner()
        claimed = self.ledger.claim_many(dict.fromkeys(wanted, 0), owner, now - self.clock_skew, now + CLAIM)
        for fingerprint, micro_usd in claimed.lost.items():
            self._book(row, wanted[fingerprint], micro_usd)
        if claimed.granted:
            self.ledger.release_many(sorted(claimed.granted), owner)
        return claimed

    def _book(self, row: RequestRow, call: PlannedCall, micro_usd: int) -> None:
        """On the request's last run and the day on which its lease ended."""
        at = row.lease_until
        run_id = row.run_id or f"request-{row.request_id}-{row.generation}"
        claim = f"{row.request_id}:{row.generation}"
        paid = Provenance(run_id, at.date().isoformat(), PARTNER_TRIGGER, row.partner_id, claim)
        analysis = {**self.analyses, CONVERSATION.name: CONVERSATION}[call.analysis]
        lane = LANE_OF_QUEUE.get(row.queue, "")
        model = self.models.resolve_in(lane, call.model_alias or analysis.model_alias)
        asked = Asked(call.manga_id, call.analysis, call.bucket, model.model_id, analysis.version, paid, at, model.tier)
        name = f"lost:{claim}:{call.fingerprint}"
        why = "a run that was killed had claimed this answer: its call may have been made"
        book_lost_call(self.tables, self.budget, name, call.fingerprint, asked, micro_usd, self.clock.now(), why)


def book_lost_call(
    tables: ObjectStore,
    budget: BudgetStore,
    name: str,
    fingerprint: str,
    asked: Asked,
    micro_usd: int,
    now: datetime,
    why: str,
) -> None:
    """Counters, then a row of the log, as maybe billed; with the same name and `asked` nothing is booked twice."""
    paid = asked.provenance
    budget.book_once(name, [scope.counter for scope in scopes_of(paid, NO_CAPS)], micro_usd, now)
    attempt = Attempt(
        number=1,
        started_at=asked.at,
        latency_ms=0,
        cost_micro_usd=micro_usd,
        error_class=ErrorClass.ABANDONED,
        maybe_billed=True,
        message=why,
        service_tier=asked.service_tier,
    )
    row = attempt_row(attempt, (attempt,), identity=_identity(asked, fingerprint), status=Outcome.DEFERRED)
    log_rows(tables, paid, [row])


def _identity(asked: Asked, fingerprint: str) -> Row:
    return row_identity(
        manga_id=asked.manga_id,
        analysis=asked.analysis,
        bucket=asked.bucket,
        provenance=asked.provenance,
        fingerprint=fingerprint,
        model_id=asked.model_id,
        prompt_version=asked.prompt_version,
    )
