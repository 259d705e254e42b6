"""The steps of a partner run, from its unit to the last ack.

Belongs here: the order of the steps, what each is given of those before it, one request's fault kept from the others.
Stays out: planning, asking, collecting and settling themselves (`plan_run.py`, `ask.py`, `ending/collect.py`,
`ending/settle.py`), Dagster (`defs/partner/ops.py`).

What a step makes it hands on by the run's papers (`papers.py`), so each can be tried again by itself.
"""

import logging
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from manga_enrichment.domain.outcomes.answers import Provenance
from manga_enrichment.domain.requests.states import RequestState, TransitionError
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.errors import FencedError
from manga_enrichment.gateways.ledger import EntryReader
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.gateways.requests import RequestStore
from manga_enrichment.pipeline.engine.invoke_report import InvokeReport
from manga_enrichment.pipeline.log.rows import PARTNER_TRIGGER
from manga_enrichment.pipeline.partner.ask import PartnerAsking, Stopping
from manga_enrichment.pipeline.partner.ending.collect import Log, PartnerCollecting
from manga_enrichment.pipeline.partner.ending.settle import Settling
from manga_enrichment.pipeline.partner.ending.settle_run import SETTLERS, SettleReport, settle_all
from manga_enrichment.pipeline.partner.holding.leases import Leases, first_lease_until
from manga_enrichment.pipeline.partner.holding.requeue import Requeue
from manga_enrichment.pipeline.partner.papers import Papers
from manga_enrichment.pipeline.partner.plan import PartnerPlan
from manga_enrichment.pipeline.partner.plan_run import PartnerPlanning
from manga_enrichment.pipeline.partner.stored.requests import StoredRequest, StoredRequests
from manga_enrichment.pipeline.partner.work_units import UnitRequest, WorkUnit

_log = logging.getLogger(__name__)


class Steps(Protocol):
    """The steps of one run. What one hands to the next is up to who implements them: a value, or an op's output."""

    def open(self) -> Any: ...

    def plan(self, opened: Any) -> Any:
        """What was opened, and the same by analysis that something is to be asked of."""

    def ask(self, analysis: str, opened: Any) -> Any: ...

    def collect(self, opened: Any, asked: list[Any]) -> Any: ...

    def settle(self, collected: Any) -> Any: ...


def steps_in_order(steps: Steps) -> Generator[Any, Any, Any]:
    """The one order of a run's steps. Yields what each gives, or a list of what may go on side by side, and is sent
    what that came to; returns what `settle` came to."""
    opened, wanted = yield steps.plan((yield steps.open()))
    asked = yield [steps.ask(analysis, given) for analysis, given in wanted.items()]
    collected = yield steps.collect(opened, asked)
    return (yield steps.settle(collected))


def in_order(steps: Steps) -> Any:
    """What `settle` gives. Dagster's graph of ops is built by it; a step's own value is what it came to."""
    order = steps_in_order(steps)
    came_to = next(order)
    while True:
        try:
            came_to = order.send(came_to)
        except StopIteration as end:
            return end.value


@dataclass(frozen=True, slots=True)
class Opened:
    """What a run took over. unit: key of its work unit; request_ids: of those that are the run's own."""

    unit: str
    provenance: Provenance
    request_ids: tuple[str, ...]

    def requests(self, papers: Papers) -> list[UnitRequest]:
        return [each for each in papers.unit(self.unit).requests if each.request_id in self.request_ids]

    def as_dict(self) -> dict[str, Any]:
        return {"unit": self.unit, "provenance": asdict(self.provenance), "requests": list(self.request_ids)}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> "Opened":
        return cls(document["unit"], Provenance(**document["provenance"]), tuple(document["requests"]))


@dataclass(frozen=True, slots=True)
class Execution:
    """One try of a step of a run. stored: its requests as read. attempt: counts from 0. say: told of progress."""

    run_id: str
    tables: ObjectStore
    papers: Papers
    stored: StoredRequests
    say: Callable[[str], None]
    attempt: int = 0


def open_unit(key: str, execution: Execution, *, requests: RequestStore, leases: Leases, clock: Clock) -> Opened:
    """Raises LookupError when there is no such unit (any more)."""
    run_id, unit = execution.run_id, execution.papers.unit(key)
    taken = take_over(unit, run_id, requests=requests, leases=leases, clock=clock)
    execution.say(f"{len(taken)} of {len(unit.requests)} requests from {unit.queue}")
    provenance = Provenance(run_id, clock.now().date().isoformat(), PARTNER_TRIGGER)
    return Opened(key, provenance, tuple(request.request_id for request in taken))


def plan_calls(opened: Opened, execution: Execution, planning: PartnerPlanning) -> PartnerPlan:
    """Raises ConfigurationError when the catalog was never imported or has another bucket count."""
    plan = planning.plan(stored_requests(execution.stored, opened.requests(execution.papers)))
    execution.papers.keep_plan(plan)
    execution.say(f"{len(plan.calls)} calls for {sum(map(len, plan.items.values()))} different items")
    return plan


def ask_model(
    analysis: str, opened: Opened, execution: Execution, asking: PartnerAsking, stopping: Stopping
) -> InvokeReport:
    """Raises ConfigurationError."""
    calls = execution.papers.plan().calls
    spender = f"{execution.run_id}:{analysis}:{execution.attempt}"
    return asking.ask(analysis, calls, opened.provenance, stopping, spender=spender, say=execution.say)


def collect_answers(opened: Opened, execution: Execution, ledger: EntryReader, log: Log | None = None) -> None:
    """log: see `PartnerCollecting`."""
    papers = execution.papers
    plan, taken = papers.plan(), opened.requests(papers)
    redelivered = [request.request_id for request in taken if request.generation > 1]
    bodies = stored_requests(execution.stored, taken)
    collecting = PartnerCollecting(execution.tables, ledger, log)
    papers.keep_collected(collecting.collect(opened.provenance, plan, bodies, papers.unledgered(), redelivered))


def settle_requests(
    opened: Opened,
    execution: Execution,
    settling: Settling,
    leases: Leases,
    releasing: Requeue,
    *,
    workers: int = SETTLERS,
) -> SettleReport:
    """Raises LookupError when nothing was collected."""
    results = {result.request_id: result for result in execution.papers.collected()}
    requests = opened.requests(execution.papers)
    return settle_all(
        requests,
        results,
        settling=settling,
        releasing=releasing,
        leases=leases,
        workers=workers,
        tried_before=execution.attempt > 0,
    )


def take_over(
    unit: WorkUnit, run_id: str, *, requests: RequestStore, leases: Leases, clock: Clock
) -> list[UnitRequest]:
    """Make the unit's requests this run's own and hold their leases; those that are somebody else's are left out.

    All are held from the start: should a store be away for good in the middle of this, they are given back.
    """
    taken = []
    for request in unit.requests:
        leases.add(request, clock.now())
    for request in unit.requests:
        until = first_lease_until(request.queue, clock.now(), leases.clock_skew)
        try:
            row = requests.update(
                request.request_id,
                request.owner,
                request.generation,
                RequestState.PROCESSING,
                run_id=run_id,
                lease_until=until,
            )
        except (FencedError, TransitionError) as error:
            _log.info("request %s is left out: %s", request.request_id, error)
            leases.drop(request.request_id)
            continue
        mine = request.with_handle_of(row)
        leases.add(mine, until)
        taken.append(mine)
    return taken


def stored_requests(stored: StoredRequests, requests: Iterable[UnitRequest]) -> list[StoredRequest]:
    return [stored.read(request.body_key) for request in requests]
