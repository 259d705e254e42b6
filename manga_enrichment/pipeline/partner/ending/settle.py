"""Settling: result document, status, rows, announcement, ack. In this order a kill loses nothing.

    result document   the fence: written again by the next generation, never over a later one's
    status (fenced)   from here on the request is final; what is missing below is made up for when its message comes
                      again (`complete.py`)
    rows              of `partner_results`, and of the requests log where the run flushes those, with those of other
                      requests (`pipeline/store/flusher.py`)
    outbox            once its rows are written, for many requests at once; the same event has the same id
    ack               with those of the others. A message that was not deleted finds its request final

Belongs here: this order, for one request. Stays out: those of a run (`settle_run.py`), what the results are
(`collect.py`), the document (`pipeline/partner/stored/results.py`).
"""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime, timedelta

from manga_enrichment.domain.callbacks.deliveries import CallbackState, Delivery
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.domain.requests.claims import RequestRow
from manga_enrichment.domain.requests.policies import NO_POLICIES, PartnerPolicies, cap_ends_on
from manga_enrichment.domain.requests.results import References, RequestResult, ResultHeading
from manga_enrichment.domain.requests.schemas import BATCH
from manga_enrichment.domain.requests.states import RequestState, is_final
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.gateways.requests import RequestStore
from manga_enrichment.pipeline.partner.conversations import keep_turn
from manga_enrichment.pipeline.partner.ending.complete import Completion
from manga_enrichment.pipeline.partner.holding.requeue import INTERRUPTED_DELAY_SECONDS, MAX_DELAY_SECONDS, Requeue
from manga_enrichment.pipeline.partner.stored.requests import StoredRequest, StoredRequests
from manga_enrichment.pipeline.partner.stored.results import result_part, write_document
from manga_enrichment.pipeline.partner.work_units import UnitRequest
from manga_enrichment.pipeline.store.flusher import Flusher, Part
from manga_enrichment.pipeline.store.object_keys import result_document_key

GENERATIONS_FOR_LOST_ANSWERS = 2
"""Each asks at least twice, and each time may be billed: what is lost so often is lost for a reason."""


@dataclass(frozen=True, slots=True)
class SettleLimits:
    """deferral_seconds: until a deferred one is tried again. max_age: then it has failed. policies: for retention."""

    deferral_seconds: int = 300
    max_age: timedelta = timedelta(hours=72)
    policies: PartnerPolicies = NO_POLICIES


@dataclass(frozen=True, slots=True)
class Settled:
    """written: done with the flush of its rows; request: as stored; both None for one that was given back.
    is_new: its status was written now, by this run. word: what tells of its end."""

    row: RequestRow
    written: "Future[None] | None" = None
    request: StoredRequest | None = None
    is_new: bool = False
    word: Sequence[Delivery] = ()


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
        flusher: Flusher,
    ) -> None:
        self._requests = requests
        self._tables = tables
        self._clock = clock
        self._endings = endings
        self._releasing = releasing
        self._stored = stored
        self._limits = limits
        self.flusher = flusher

    def settle(
        self, request: UnitRequest, result: RequestResult, *, log: Sequence[Part] = (), tried_before: bool = False
    ) -> Settled:
        """Bring one request of ours to its end, or give it back when items of it must wait.

        One that ended has its message still, and nobody was told: `ack` it when its rows are written. log: rows of the
        requests log that are to be flushed with them. tried_before: by this run; such a request may be final already.

        Safe to repeat. Raises FencedError when it is ours no more, and what the gateways raise; nothing is acked then.
        """
        result = self._aged(request, result)
        cost = result.cost_of_all_generations(request.cost_before_micro_usd)
        model_seconds = request.model_seconds_before + result.model_seconds(request.received_at)
        if result.state is RequestState.DEFERRED:
            deferred = self._defer(request, result, cost_micro_usd=cost, model_seconds=model_seconds)
            return Settled(deferred, self.flusher.add(log) if log else None)
        stored = self._stored.read(request.body_key)
        heading = self._heading(request, cost, stored)
        policy = self._limits.policies.of(request.partner_id)
        document = write_document(self._tables, heading, result, stored.warnings, policy)
        self._keep_turn(stored, result, heading.completed_at)
        is_new = (row := self._own_final_row(request) if tried_before else None) is None
        if row is None:
            row = self._write_status(request, result, heading, stored, model_seconds)
            since = row.accepted_at or row.submitted_at
            self._requests.note_pace(row.queue, (heading.completed_at - since).total_seconds())
        written, word = (
            self.flusher.add([result_part(document, row), *log]),
            self._endings.word_of(row, stored, document),
        )
        return Settled(row, written, stored, is_new, word)

    def ack(self, settled: Sequence[Settled]) -> None:
        """Tell of requests whose rows are written, and take their messages. Raises QueueUnavailableError,
        StoreUnavailableError."""
        self._requests.note_usage([each.row for each in settled if each.is_new])
        self._endings.announce([delivery for each in settled for delivery in each.word])
        self._endings.ack((each.row, each.request) for each in settled if each.request is not None)

    def _defer(self, request: UnitRequest, result: RequestResult, **so_far: float) -> RequestRow:
        resumes_on = cap_ends_on(result.error_class, self._clock.now().date())
        delay_seconds = INTERRUPTED_DELAY_SECONDS if result.waits_for_a_run_alone else self._limits.deferral_seconds
        return self._releasing.release(
            request,
            delay_seconds=MAX_DELAY_SECONDS if resumes_on else delay_seconds,
            error_class=result.error_class,
            reason=result.reason,
            counts=result.counts,
            resumes_on=resumes_on.isoformat() if resumes_on else "",
            **so_far,
        )

    def _own_final_row(self, request: UnitRequest) -> RequestRow | None:
        row = self._requests.get(request.request_id)
        is_ours = row is not None and (row.owner, row.generation) == (request.owner, request.generation)
        return row if row is not None and is_ours and is_final(row.state) else None

    def _aged(self, request: UnitRequest, result: RequestResult) -> RequestResult:
        """A batch waits for answers that were lost, as titles do for the next night. A cancelled one waits no more.

        What has waited for too long has failed; but for the brake, which is ours, and for a batch that was told a day.
        Conversations go: SQS hides a message of a FIFO queue for 12 hours only.
        """
        is_batch = request.schema == BATCH
        if is_batch and request.generation < GENERATIONS_FOR_LOST_ANSWERS:
            result = result.tried_again()
        if result.state is RequestState.DEFERRED and self._requests.cancelled([request.request_id]):
            return result.cancelled()
        now = self._clock.now()
        told_a_day = is_batch and cap_ends_on(result.error_class, now.date()) is not None
        waits = told_a_day or result.error_class == ErrorClass.BRAKE.value
        return result if waits or now - request.submitted_at < self._limits.max_age else result.given_up()

    def _heading(self, request: UnitRequest, cost_micro_usd: int, stored: StoredRequest) -> ResultHeading:
        return ResultHeading(
            request_id=request.request_id,
            partner_id=request.partner_id,
            schema=request.schema,
            generation=request.generation,
            submitted_at=request.submitted_at,
            completed_at=self._clock.now(),
            cost_micro_usd=cost_micro_usd,
            references=References.of_body(stored.body),
        )

    def _keep_turn(self, stored: StoredRequest, result: RequestResult, at: datetime) -> None:
        answer = result.items[0].answer
        if "items" not in stored.body and result.items[0].outcome is Outcome.SUCCEEDED and answer is not None:
            keep_turn(self._tables, stored, answer["reply"], at)

    def _write_status(
        self,
        request: UnitRequest,
        result: RequestResult,
        heading: ResultHeading,
        stored: StoredRequest,
        model_seconds: float,
    ) -> RequestRow:
        return self._requests.update(
            request.request_id,
            request.owner,
            request.generation,
            result.state,
            result_key=result_document_key(request.partner_id, request.request_id),
            counts=result.counts,
            cost_micro_usd=heading.cost_micro_usd,
            completed_at=heading.completed_at,
            model_seconds=model_seconds,
            input_tokens=result.input_tokens,
            output_tokens=result.output_tokens,
            error_class=result.error_class,
            reason=result.reason,
            callback_state=CallbackState.PENDING.value if stored.callback_url else "",
        )
