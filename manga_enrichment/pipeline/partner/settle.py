"""Settling: results, then status, then the announcement, then the ack. In this order a kill loses nothing.

    results object, result document   written again by the next generation, to the same keys
    status (fenced)                   from here on the request is final; what is missing below is made up for when
                                      its message comes again (`complete.py`)
    outbox                            the same event has the same id
    ack                               a message that was not deleted finds its request final

Belongs here: this order. The fence is asked before anything is written: a process that lost its request while it slept
is refused. Stays out: what the results are (`collect.py`), their objects (`stored_results.py`).
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from manga_enrichment.domain.callbacks.deliveries import CallbackState
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.domain.requests.claims import RequestRow
from manga_enrichment.domain.requests.results import RequestResult, ResultHeading
from manga_enrichment.domain.requests.states import RequestState, is_final
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.gateways.requests import RequestStore
from manga_enrichment.pipeline.partner.complete import Completion
from manga_enrichment.pipeline.partner.conversations import keep_turn
from manga_enrichment.pipeline.partner.requeue import Requeue
from manga_enrichment.pipeline.partner.stored_requests import StoredRequest, StoredRequests
from manga_enrichment.pipeline.partner.stored_results import write_results
from manga_enrichment.pipeline.partner.work_units import UnitRequest
from manga_enrichment.pipeline.store.object_keys import result_document_key


@dataclass(frozen=True, slots=True)
class SettleLimits:
    """deferral_seconds: until a deferred request is tried again. max_age: then what still waits has failed."""

    deferral_seconds: int = 300
    max_age: timedelta = timedelta(hours=72)


class Settling:
    def __init__(
        self,
        *,
        requests: RequestStore,
        tables: ObjectStore,
        clock: Clock,
        endings: Completion,
        releasing: Requeue,
        stored: StoredRequests,
        limits: SettleLimits,
    ) -> None:
        self._requests = requests
        self._tables = tables
        self._clock = clock
        self._endings = endings
        self._releasing = releasing
        self._stored = stored
        self._limits = limits

    def settle(self, request: UnitRequest, result: RequestResult, run_id: str) -> RequestRow:
        """Bring one request of ours to its end, or give it back when items of it must wait.

        Safe to repeat. Raises FencedError when it is ours no more, and what the gateways raise; nothing is acked then.
        """
        row = self._requests.update(request.request_id, request.owner, request.generation)
        if is_final(row.state):  # an earlier try of this op got that far
            self._endings.finish(row, row.queue, row.receipt_handle)
            return row
        result = self._aged(request, result)
        cost = result.cost_of_all_generations(request.cost_before_micro_usd)
        row = _with_model_time(row, result, request.received_at)
        if result.state is RequestState.DEFERRED:
            return self._releasing.release(
                request,
                delay_seconds=self._limits.deferral_seconds,
                error_class=result.error_class,
                reason=result.reason,
                cost_micro_usd=cost,
                counts=result.counts,
                model_seconds=row.model_seconds,
            )
        stored = self._stored.read(request.body_key)
        heading = self._heading(row, cost, run_id)
        write_results(self._tables, heading, result, stored.warnings)
        self._keep_turn(stored, result, heading.completed_at)
        row = self._write_status(request, result, heading, stored)
        self._endings.finish(row, row.queue, row.receipt_handle, stored)
        return row

    def _aged(self, request: UnitRequest, result: RequestResult) -> RequestResult:
        """Whatever waits for too long has failed; but for the brake, which is ours and dead-letters nothing."""
        is_old = self._clock.now() - request.submitted_at >= self._limits.max_age
        return result.given_up() if is_old and result.error_class != ErrorClass.BRAKE.value else result

    def _heading(self, row: RequestRow, cost_micro_usd: int, run_id: str) -> ResultHeading:
        return ResultHeading(
            request_id=row.request_id,
            partner_id=row.partner_id,
            schema=row.schema,
            generation=row.generation,
            submitted_at=row.submitted_at,
            completed_at=self._clock.now(),
            cost_micro_usd=cost_micro_usd,
            run_id=run_id,
            queue=row.queue,
            accepted_at=row.accepted_at,
            claimed_at=row.claimed_at,
            model_seconds=row.model_seconds,
        )

    def _keep_turn(self, stored: StoredRequest, result: RequestResult, at: datetime) -> None:
        answer = result.items[0].answer
        if "items" not in stored.body and result.items[0].outcome is Outcome.SUCCEEDED and answer is not None:
            keep_turn(self._tables, stored, answer["reply"], at)

    def _write_status(
        self, request: UnitRequest, result: RequestResult, heading: ResultHeading, stored: StoredRequest
    ) -> RequestRow:
        return self._requests.update(
            request.request_id,
            request.owner,
            request.generation,
            result.state,
            result_key=result_document_key(request.request_id),
            counts=result.counts,
            cost_micro_usd=heading.cost_micro_usd,
            completed_at=heading.completed_at,
            model_seconds=heading.model_seconds,
            input_tokens=result.input_tokens,
            output_tokens=result.output_tokens,
            error_class=result.error_class,
            reason=result.reason,
            callback_state=CallbackState.PENDING.value if stored.callback_url else "",
        )


def _with_model_time(row: RequestRow, result: RequestResult, since: datetime) -> RequestRow:
    """A request that an earlier try of this op deferred has it already."""
    own = 0.0 if row.state is RequestState.DEFERRED else result.model_seconds(since)
    return replace(row, model_seconds=row.model_seconds + own)
