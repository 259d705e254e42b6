"""One request of a resident run: the steps of every partner run (`pipeline/partner/run_steps.py`), as a task.

Belongs here: steps that wait without holding up others, what is tried again, what its end means for the request. Stays
out: the steps themselves, receiving (`receiving.py`), engines (`shared_engines.py`).

What an op's retry policy does for the runs of the other queues, the same table does here for each request. What the end
of a step means is `pipeline/partner/step_ends.py`'s, for both.
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from manga_enrichment.domain.outcomes.answers import Provenance
from manga_enrichment.domain.outcomes.error_classes import TREATMENTS
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.ledger import ResultLedger
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.engine.calls import Call
from manga_enrichment.pipeline.engine.failures import raise_first
from manga_enrichment.pipeline.engine.invoke_report import InvokeReport
from manga_enrichment.pipeline.engine.retry_rules import THROTTLING, RetryRule, retry_rule
from manga_enrichment.pipeline.engine.tally import Tally
from manga_enrichment.pipeline.log.append import log_rows
from manga_enrichment.pipeline.log.rows import PARTNER_TRIGGER
from manga_enrichment.pipeline.log.unledgered import UnledgeredAttempts
from manga_enrichment.pipeline.partner.ask import PartnerAsking, Stopping
from manga_enrichment.pipeline.partner.ending.settle import Settling
from manga_enrichment.pipeline.partner.ending.settle_run import SettleReport, settle_one
from manga_enrichment.pipeline.partner.holding.leases import Leases
from manga_enrichment.pipeline.partner.holding.requeue import Requeue
from manga_enrichment.pipeline.partner.plan_run import PartnerPlanning
from manga_enrichment.pipeline.partner.run_steps import (
    Execution,
    Opened,
    collect_answers,
    plan_calls,
    steps_in_order,
)
from manga_enrichment.pipeline.partner.step_ends import end_of
from manga_enrichment.pipeline.partner.stored.requests import StoredRequests
from manga_enrichment.pipeline.partner.work_units import UnitRequest, WorkUnit
from manga_enrichment.pipeline.resident.acks import Acks
from manga_enrichment.pipeline.resident.papers import HeldPapers
from manga_enrichment.pipeline.resident.room import Room
from manga_enrichment.pipeline.resident.shared_engines import Asked, SharedEngines
from manga_enrichment.pipeline.resident.step_threads import StepThreads

_LOOK_SECONDS = 1.0

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Workplace:
    """What the requests of one resident run share. settling: made anew for each, as the run may be stopping by then."""

    run_id: str
    tables: ObjectStore
    ledger: ResultLedger
    clock: Clock
    rng: random.Random
    planning: PartnerPlanning
    asking: PartnerAsking
    engines: SharedEngines
    settling: Callable[[], Settling]
    acks: Acks
    releasing: Requeue
    leases: Leases
    stored: StoredRequests
    stopping: Stopping
    room: Room
    threads: StepThreads
    say: Callable[[str], None]


async def work_through(request: UnitRequest, place: Workplace) -> tuple[SettleReport, list[InvokeReport]]:
    """From a claim to its end, in the one order. Raises the error that a step ended with for good."""
    steps = RequestSteps(request, place)
    order = steps_in_order(steps)
    due = next(order)
    while True:
        came_to = await (_side_by_side(due) if isinstance(due, list) else due)
        try:
            due = order.send(came_to)
        except StopIteration as end:
            return end.value, steps.reports


async def _side_by_side(steps: Sequence[Any]) -> list[Any]:
    """All of them, whatever one ends with; then the first error."""
    ended = await asyncio.gather(*steps, return_exceptions=True)
    raise_first([each for each in ended if isinstance(each, BaseException)])
    return ended


class RequestSteps:
    """The steps as coroutines. reports: what each analysis that was asked came to."""

    def __init__(self, request: UnitRequest, place: Workplace) -> None:
        self._request = request
        self._place = place
        self._claim = f"{request.request_id}:{request.generation}"
        self._papers = HeldPapers(WorkUnit(request.queue, (request,)))
        self._execution = Execution(place.run_id, place.tables, self._papers, place.stored, place.say)
        self.reports: list[InvokeReport] = []

    async def open(self) -> Opened:
        """The claim made it this run's own (`receiving.py`)."""
        day = self._place.clock.now().date().isoformat()
        provenance = Provenance(self._place.run_id, day, PARTNER_TRIGGER, claim=self._claim)
        return Opened(self._claim, provenance, (self._request.request_id,))

    async def plan(self, opened: Opened) -> tuple[Opened, Mapping[str, Opened]]:
        plan = await self._tried(plan_calls, opened, self._execution, self._place.planning)
        self._place.room.change(self._request.request_id, len(plan.calls))
        return opened, dict.fromkeys(plan.analyses(), opened)

    async def ask(self, analysis: str, _opened: Opened) -> InvokeReport:
        place, retry_number = self._place, 0
        calls = await self._tried(place.asking.calls, analysis, self._papers.plan().calls, self._claim)
        while True:
            report: InvokeReport = await self._again(self._ask_once, analysis, calls)
            rule = retry_rule(report)
            if rule is None or retry_number >= rule.tries - 1 or not await self._waited(rule, retry_number):
                self.reports.append(report)
                return report
            retry_number += 1

    async def collect(self, opened: Opened, _asked: list[InvokeReport]) -> Opened:
        entries = self._papers.entries(self._place.ledger)
        await self._tried(collect_answers, opened, self._execution, entries, self._papers.log)
        self._place.room.change(self._request.request_id, 0)
        return opened

    async def settle(self, collected: Opened) -> SettleReport:
        """The ack waits for the flush of the rows, together with those of other requests."""
        place, report = self._place, SettleReport()
        [result], [request] = self._papers.collected(), collected.requests(self._papers)
        settled = await self._place.threads.run(
            partial(settle_one, log=self._papers.logged()),
            request,
            self._newest(),
            result,
            place.settling(),
            place.releasing,
        )
        newest = self._newest()
        place.leases.drop(
            request.request_id
        )  # a final row is renewed no more; its message stays hidden for long enough
        report.add(request.request_id, await place.acks.ack(newest, settled), result)
        return report

    def _newest(self) -> UnitRequest:
        """With its newest receipt handle: a second delivery refreshes it."""
        held = (each for each in self._place.leases.held() if each.request_id == self._request.request_id)
        return next(held, self._request)

    async def _ask_once(self, analysis: str, calls: Sequence[Call]) -> InvokeReport:
        tally, began = Tally(analysis), self._place.clock.monotonic_seconds()
        async with self._place.engines.asked(self._request.partner_id, calls) as asked:
            self._papers.add_entries(asked.results)
            for result in asked.results:
                tally.add(result)
            await self._place.threads.run(self._write_down, asked)
        if asked.failure is not None:
            raise asked.failure
        stopped = next(
            (each for each in asked.results if each.error_class and TREATMENTS[each.error_class].stops_analysis), None
        )
        return tally.report(
            seconds=self._place.clock.monotonic_seconds() - began,
            stopped_by=stopped.error_class.value if stopped and stopped.error_class else "",
            stopped_message=stopped.message if stopped else "",
        )

    def _write_down(self, asked: Asked) -> None:
        """What was sent and is in no ledger entry is logged at once: a killed process would have told nobody."""
        unledgered = UnledgeredAttempts(asked.provenance, self._place.clock)
        for result in asked.results:
            unledgered.add(result)
        rows = unledgered.rows
        log_rows(self._place.tables, asked.provenance, [row for row in rows if row["attempt"]])
        self._papers.add_unledgered(rows)

    async def _tried(self, function: Callable[..., _T], *args: object) -> _T:
        """A blocking step in a thread, tried as often as an op is."""
        came_to: _T = await self._again(self._place.threads.run, function, *args)
        return came_to

    async def _again(self, step: Callable[..., Any], *args: object) -> Any:
        retry_number = 0
        while True:
            try:
                return await step(*args)
            except Exception as error:
                is_last = retry_number >= THROTTLING.tries - 1 or not end_of(error).may_pass
                if is_last or not await self._waited(THROTTLING, retry_number):
                    raise
            retry_number += 1

    async def _waited(self, rule: RetryRule, retry_number: int) -> bool:
        """False when this run ends, or the request is lost, before the time is over."""
        clock, stopping = self._place.clock, self._place.stopping
        until = clock.monotonic_seconds() + rule.wait_seconds(retry_number, self._place.rng.random())
        while (left_seconds := until - clock.monotonic_seconds()) > 0:
            if not stopping.may_ask([self._request.request_id]):
                return False
            await clock.sleep(min(_LOOK_SECONDS, left_seconds))
        return True
