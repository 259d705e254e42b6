"""Intake: from queue messages to claimed requests, packed into work units.

Belongs here: receiving no more than can start, validating, claiming, what becomes of messages that are not worked on.
Stays out: the rules of a request (`domain/requests/`), launching runs (`defs/partner/sensors.py`).

Each message stands alone: an invalid one, or one for which a gateway fails, never holds up the others of its batch.
What is left undone in the middle needs no cleaning up: the message comes again when its time is over.

Every receive counts towards the dead letters, so nothing is received while DynamoDB or S3 is away, and what was
received when they went goes back with SQS alone.

A FIFO queue is asked for one message at a time. It gives no second one of a group while the first is held, so one
message per group is in flight, and one that fails does not wear out the receives of those behind it.
"""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import repeat

from manga_enrichment.domain.callbacks.deliveries import CallbackState
from manga_enrichment.domain.callbacks.events import Event
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.requests.claims import AlreadyFinal, AlreadyLive, Claimed, RequestRow, came_back
from manga_enrichment.domain.requests.queues import QUEUES
from manga_enrichment.domain.requests.reading.envelope import AcceptedRequest, Rejection, read_request
from manga_enrichment.domain.requests.schemas import QUOTE
from manga_enrichment.domain.requests.states import RequestState
from manga_enrichment.domain.requests.validation import RequestPolicy
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.errors import QueueUnavailableError, StoreUnavailableError
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.gateways.queue import Message, RequestQueue
from manga_enrichment.gateways.requests import RequestStore
from manga_enrichment.pipeline.dead_letters.queue import dead_lettered_at
from manga_enrichment.pipeline.partner.ending.complete import Completion, event_of
from manga_enrichment.pipeline.partner.holding.fifo_deferral import DeferredMessage, FifoDeferral
from manga_enrichment.pipeline.partner.holding.leases import first_lease_until, hidden_seconds
from manga_enrichment.pipeline.partner.holding.requeue import Requeue, return_message
from manga_enrichment.pipeline.partner.intake_report import IntakeOutcome, IntakeReport
from manga_enrichment.pipeline.partner.intake_rows import closed_row, event_of_message, unit_request, wanted_row
from manga_enrichment.pipeline.partner.live_policies import LivePolicies
from manga_enrichment.pipeline.partner.packing import Packing, UnitLimits
from manga_enrichment.pipeline.partner.stored.requests import StoredRequests
from manga_enrichment.pipeline.partner.stored.units import write_unit
from manga_enrichment.pipeline.partner.work_units import UnitRequest, WorkUnit
from manga_enrichment.pipeline.store.object_keys import unit_key

RECEIVE_AT_ONCE = 50
LONG_POLL_SECONDS = 1
"""SQS then asks all its servers; without waiting it asks some, and a message that is there may not be found."""
WORKERS = 8
FRONT = "api"
"""Source of what the request front sent, which has written a row."""
REQUEST_ID_TAKEN = "request_id_taken"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Claimant:
    """new_owner: a name that no other claim has. clock_skew: leases of others count as run out that much later.

    stored: what the caller reads of its requests. run_id: works at what is claimed; "" when runs are to be launched.
    """

    new_owner: Callable[[], str]
    clock_skew: timedelta
    stored: StoredRequests
    run_id: str = ""


class Intake:
    """For one tick, or as long as a run stays."""

    def __init__(
        self,
        *,
        queue: RequestQueue,
        requests: RequestStore,
        tables: ObjectStore,
        clock: Clock,
        endings: Completion,
        policy: RequestPolicy,
        limits: UnitLimits,
        claimant: Claimant,
        workers: int = WORKERS,
    ) -> None:
        """workers: messages handled at once."""
        self._queue = queue
        self._requests = requests
        self._tables = tables
        self._clock = clock
        self._endings = endings
        self._policy = replace(policy, partners=LivePolicies(policy.partners, requests, clock))
        self._limits = limits
        self._claimant = claimant
        self._workers = workers
        self._stored_bodies = claimant.stored
        self._requeue = Requeue(queue, requests, tables, clock, self._stored_bodies)
        self._fifo_deferral = FifoDeferral(queue, requests, tables, clock)
        self._away: str | None = None  # not asked yet

    def pull(self, queue: str, free_runs: int, until: float) -> IntakeReport:
        """Receive what `free_runs` runs can take, until the queue has no more or the monotonic second has come.

        Of a FIFO queue, deferred requests whose time has come go first; without a free run they are only kept.
        The units in the report are stored and their requests `queued`: launch a run for each.
        """
        report = IntakeReport()
        packing = Packing(queue, free_runs, self._limits)
        if QUEUES[queue].is_fifo or packing.room():
            report.away = self.why_away()
        if report.away:
            return report
        if QUEUES[queue].is_fifo:
            self._resume_deferred(queue, packing, report)
        with ThreadPoolExecutor(self._workers) as pool:
            while packing.room() and self._clock.monotonic_seconds() < until:
                messages = self._receive(queue, packing.room())
                if not messages:
                    break
                received_at = self._clock.now()
                for taken in pool.map(self.take, messages, repeat(received_at)):
                    report.outcomes[taken if isinstance(taken, IntakeOutcome) else IntakeOutcome.CLAIMED] += 1
                    if isinstance(taken, UnitRequest):
                        packing.add(taken)
        report.units = [unit for unit in packing.units() if self._is_stored(unit)]
        return report

    def why_away(self, *, again: bool = False) -> str:
        """A sentence when DynamoDB or S3 does not answer; asked once, unless `again`. Raises ConfigurationError."""
        if again or self._away is None:
            try:
                self._requests.check_ready()
                self._tables.read_json(unit_key("none"))  # no unit has this key
                self._away = ""
            except StoreUnavailableError as error:
                self._away = str(error)
        return self._away

    def _receive(self, queue: str, room: int) -> Sequence[Message]:
        most = 1 if QUEUES[queue].is_fifo else min(room, RECEIVE_AT_ONCE)
        try:
            return self.receive(queue, most, LONG_POLL_SECONDS)
        except QueueUnavailableError as error:
            _log.warning("%s: %s", queue, error)
            return ()

    def receive(self, queue: str, most: int, wait_seconds: int) -> list[Message]:
        """Hidden until its first lease is over for everybody. Raises QueueUnavailableError."""
        hidden = hidden_seconds(queue, self._claimant.clock_skew)
        return self._queue.receive(queue, max_messages=most, wait_seconds=wait_seconds, visibility_seconds=hidden)

    def _resume_deferred(self, queue: str, packing: Packing, report: IntakeReport) -> None:
        """What fails here is left alone: its message shows by itself."""
        try:
            for deferred in self._fifo_deferral.due(queue):
                if not packing.room():
                    self._fifo_deferral.keep(deferred)
                elif (resumed := self.resume(deferred)) is not None:
                    report.outcomes[IntakeOutcome.RESUMED] += 1
                    packing.add(resumed)
        except (StoreUnavailableError, QueueUnavailableError) as error:
            _log.warning("deferred requests of %s are left for later: %s", queue, error)

    def due(self, queue: str) -> list[DeferredMessage]:
        return self._fifo_deferral.due(queue)

    def resume(self, deferred: DeferredMessage) -> UnitRequest | None:
        """The next generation of a deferred request, with the receipt handle that it has."""
        request, now = deferred.request, self._clock.now()
        row = self._requests.get(request.request_id)
        if row is None or not self._fifo_deferral.take_up(deferred):
            return None
        lease_until = first_lease_until(request.queue, now, self._claimant.clock_skew)
        wanted = replace(row, owner=self._claimant.new_owner(), updated_at=now, lease_until=lease_until)
        decision = self._claimed(self._for_work(replace(wanted, counts={}, error_class="", reason="")))
        if not isinstance(decision, Claimed):
            return None
        claimed = decision.row
        return replace(
            request,
            generation=claimed.generation,
            owner=claimed.owner,
            cost_before_micro_usd=claimed.cost_micro_usd,
            model_seconds_before=claimed.model_seconds,
            is_cancelled=claimed.cancelled_ms > 0,
        )

    def take(self, message: Message, received_at: datetime) -> UnitRequest | IntakeOutcome:
        """The claimed request of a message, or what became of it instead."""
        try:
            read = read_request(message.body, self._policy)
            if isinstance(read, Rejection):
                self._reject(message, read, received_at)
                return IntakeOutcome.REJECTED
            return self._claim(message, read, received_at)
        except (StoreUnavailableError, ConfigurationError) as error:
            return self._give_back(message, received_at, error)
        except QueueUnavailableError as error:
            _log.warning("message %s of %s is left for later: %s", message.message_id, message.queue, error)
        except Exception:  # noqa: BLE001 (one message must not hold up the others; its third receive ends it)
            _log.exception("message %s of %s could not be taken in", message.message_id, message.queue)
        return IntakeOutcome.LEFT

    def _give_back(self, message: Message, received_at: datetime, away: Exception) -> IntakeOutcome:
        try:
            return_message(self._queue, message, received_at, self._clock.now())
        except QueueUnavailableError as error:
            _log.warning("message %s of %s is left for later: %s; %s", message.message_id, message.queue, away, error)
            return IntakeOutcome.LEFT
        _log.warning("message %s of %s is given back: %s", message.message_id, message.queue, away)
        return IntakeOutcome.RETURNED

    def _claim(self, message: Message, accepted: AcceptedRequest, received_at: datetime) -> UnitRequest | IntakeOutcome:
        now, owner = self._clock.now(), self._claimant.new_owner()
        wanted = wanted_row(message, accepted, owner, received_at, now, self._claimant.clock_skew)
        is_first = message.receive_count == 1 and accepted.envelope.source != FRONT
        decision = self._claimed(self._for_work(wanted), likely_new=is_first)
        if isinstance(decision, AlreadyFinal) and self._is_opened_again(decision.row, wanted, message):
            decision = self._claimed(self._for_work(wanted))
        if isinstance(decision, Claimed):
            self._stored_bodies.write(accepted, message.attributes)
            return unit_request(decision.row, message, received_at, len(accepted.body.get("items", "1")))
        if decision.row.partner_id != wanted.partner_id:
            explanation = "another partner's request has this request_id"
            self._endings.reject(message, None, reason=REQUEST_ID_TAKEN, explanation=explanation)
            return IntakeOutcome.REJECTED
        if isinstance(decision, AlreadyFinal):
            self._endings.finish_again(decision.row, message.queue, message.receipt_handle)
            return IntakeOutcome.FINAL
        return IntakeOutcome.LIVE

    def _claimed(self, wanted: RequestRow, *, likely_new: bool = False) -> Claimed | AlreadyLive | AlreadyFinal:
        return self._requests.claim(wanted, self._clock.now() - self._claimant.clock_skew, likely_new=likely_new)

    def _is_opened_again(self, row: RequestRow, wanted: RequestRow, message: Message) -> bool:
        """A message that AWS's own redrive moved back, which opens no request: that is made up for here."""
        if row.partner_id != wanted.partner_id:
            return False
        skew, noted = self._claimant.clock_skew, dead_lettered_at(message)
        is_redriven = came_back(row, sent_at=message.sent_at, dead_lettered_at=noted, skew=skew)
        return is_redriven and self._requests.reopen(row.request_id)

    def _for_work(self, wanted: RequestRow) -> RequestRow:
        run_id = self._claimant.run_id
        return replace(wanted, state=RequestState.PROCESSING if run_id else RequestState.QUEUED, run_id=run_id)

    def _reject(self, message: Message, rejection: Rejection, received_at: datetime) -> None:
        """A request that is worked on or was answered keeps its status: this message only used its id."""
        event: Event | None = event_of_message(message, rejection, received_at)
        told = {"reason": rejection.reason.value, "explanation": rejection.explanation}
        if rejection.request_id is not None:
            row = self._claimed(closed_row(message, rejection, self._claimant.new_owner(), received_at)).row
            ours = row.state is RequestState.REJECTED and row.message_id == message.message_id
            if ours and row.schema == QUOTE:  # whoever asked reads it in the status, and nobody else waits for it
                self._queue.delete(message.queue, [message.receipt_handle])
                return
            event = event_of(row) if ours else None
            is_waited_for = ours and row.callback_state == CallbackState.PENDING
            told["callback_url"] = rejection.callback_url if is_waited_for else ""
            told["email"] = rejection.email if ours else ""
        self._endings.reject(message, event, **told)

    def _is_stored(self, unit: WorkUnit) -> bool:
        """As its run will read it."""
        try:
            write_unit(self._tables, unit)
        except (StoreUnavailableError, ConfigurationError) as error:
            for request in unit.requests:
                self._give_back_claimed(request, error)
            return False
        return True

    def _give_back_claimed(self, request: UnitRequest, away: Exception) -> None:
        _log.warning("request %s is given back: %s", request.request_id, away)
        try:
            self._requeue.give_back(request)
        except QueueUnavailableError as error:
            _log.warning("request %s is left for later: %s", request.request_id, error)
