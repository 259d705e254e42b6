"""Intake: from queue messages to claimed requests, packed into work units.

Belongs here: receiving no more than can start, validating, claiming, what becomes of messages that are not worked on.
Stays out: the rules of a request (`domain/requests/`), launching runs (`defs/partner/sensors.py`).

Each message stands alone: an invalid one, or one for which a gateway fails, never holds up the others of its batch.
What is left undone in the middle needs no cleaning up: the message comes again when its time is over.

A FIFO queue is asked for one message at a time. It gives no second one of a group while the first is held, so one
message per group is in flight, and one that fails does not wear out the receives of those behind it.
"""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import repeat

from manga_enrichment.domain.callbacks.events import Event
from manga_enrichment.domain.requests.claims import AlreadyFinal, Claimed, RequestRow
from manga_enrichment.domain.requests.envelope import AcceptedRequest, Rejection, read_request
from manga_enrichment.domain.requests.queues import QUEUES
from manga_enrichment.domain.requests.states import RequestState
from manga_enrichment.domain.requests.validation import RequestPolicy
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.errors import FencedError, QueueUnavailableError, StoreUnavailableError
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.gateways.queue import Message, RequestQueue
from manga_enrichment.gateways.requests import RequestStore
from manga_enrichment.pipeline.partner.complete import Completion, event_of
from manga_enrichment.pipeline.partner.fifo_deferral import DeferredMessage, FifoDeferral
from manga_enrichment.pipeline.partner.packing import Packing, UnitLimits
from manga_enrichment.pipeline.partner.stored_requests import write_request
from manga_enrichment.pipeline.partner.stored_units import write_unit
from manga_enrichment.pipeline.partner.work_units import UnitRequest, WorkUnit
from manga_enrichment.pipeline.store.object_keys import request_body_key

RECEIVE_AT_ONCE = 50
WORKERS = 8
REQUEST_ID_TAKEN = "request_id_taken"

_log = logging.getLogger(__name__)


class IntakeOutcome(StrEnum):
    """What became of a received message.

    claimed: to be worked on; rejected: a dead letter now; live: another delivery is worked on; final: acked; left: a
    gateway failed, it comes again; resumed: a deferred request of a FIFO queue whose time has come, not received anew
    """

    CLAIMED = "claimed"
    REJECTED = "rejected"
    LIVE = "live"
    FINAL = "final"
    LEFT = "left"
    RESUMED = "resumed"


@dataclass(slots=True)
class IntakeReport:
    """One queue in one tick. units: what to launch runs for."""

    outcomes: Counter[IntakeOutcome] = field(default_factory=Counter)
    units: list[WorkUnit] = field(default_factory=list)

    @property
    def received(self) -> int:
        return self.outcomes.total()


class Intake:
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
        new_owner: Callable[[], str],
        workers: int = WORKERS,
    ) -> None:
        """new_owner: a name that no other claim has. workers: messages handled at once."""
        self._queue = queue
        self._requests = requests
        self._tables = tables
        self._clock = clock
        self._endings = endings
        self._policy = policy
        self._limits = limits
        self._new_owner = new_owner
        self._workers = workers
        self._fifo_deferral = FifoDeferral(queue, requests, tables, clock)

    def pull(self, queue: str, free_runs: int, until: float) -> IntakeReport:
        """Receive what `free_runs` runs can take, until the queue has no more or the monotonic second has come.

        Of a FIFO queue, deferred requests whose time has come go first; without a free run they are only kept.

        The units in the report are stored and their requests `queued`: launch a run for each.
        """
        report = IntakeReport()
        packing = Packing(queue, free_runs, self._limits)
        if QUEUES[queue].is_fifo:
            self._resume_deferred(queue, packing, report)
        with ThreadPoolExecutor(self._workers) as pool:
            while packing.room() and self._clock.monotonic_seconds() < until:
                messages = self._receive(queue, packing.room())
                if not messages:
                    break
                received_at = self._clock.now()
                for taken in pool.map(self._take, messages, repeat(received_at)):
                    report.outcomes[taken if isinstance(taken, IntakeOutcome) else IntakeOutcome.CLAIMED] += 1
                    if isinstance(taken, UnitRequest):
                        packing.add(taken)
            marked = {unit.key: list(pool.map(self._mark_queued, unit.requests)) for unit in packing.units()}
        report.units = [unit for each in packing.units() if (unit := self._stored(each, marked[each.key])) is not None]
        return report

    def _receive(self, queue: str, room: int) -> Sequence[Message]:
        most = 1 if QUEUES[queue].is_fifo else min(room, RECEIVE_AT_ONCE)
        try:
            return self._queue.receive(queue, max_messages=most, wait_seconds=0)
        except QueueUnavailableError as error:
            _log.warning("%s: %s", queue, error)
            return ()

    def _resume_deferred(self, queue: str, packing: Packing, report: IntakeReport) -> None:
        """What fails here is left alone: its message shows by itself."""
        try:
            for deferred in self._fifo_deferral.due(queue):
                if not packing.room():
                    self._fifo_deferral.keep(deferred)
                elif (resumed := self._resume(deferred)) is not None:
                    report.outcomes[IntakeOutcome.RESUMED] += 1
                    packing.add(resumed)
        except (StoreUnavailableError, QueueUnavailableError) as error:
            _log.warning("deferred requests of %s are left for later: %s", queue, error)

    def _resume(self, deferred: DeferredMessage) -> UnitRequest | None:
        """The next generation of a deferred request, with the receipt handle that it has."""
        request, now = deferred.request, self._clock.now()
        row = self._requests.get(request.request_id)
        if row is None or not self._fifo_deferral.take_up(deferred):
            return None
        lease_until = now + timedelta(seconds=request.visibility_seconds - 1)
        wanted = replace(
            row, state=RequestState.RECEIVED, owner=self._new_owner(), updated_at=now, lease_until=lease_until
        )
        decision = self._requests.claim(replace(wanted, run_id="", counts={}, error_class="", reason=""), now)
        if not isinstance(decision, Claimed):
            return None
        claimed = decision.row
        return replace(
            request,
            generation=claimed.generation,
            owner=claimed.owner,
            cost_before_micro_usd=claimed.cost_micro_usd,
        )

    def _take(self, message: Message, received_at: datetime) -> UnitRequest | IntakeOutcome:
        """The claimed request of a message, or what became of it instead."""
        try:
            read = read_request(message.body, self._policy)
            if isinstance(read, Rejection):
                self._reject(message, read, received_at)
                return IntakeOutcome.REJECTED
            return self._claim(message, read, received_at)
        except (StoreUnavailableError, QueueUnavailableError) as error:
            _log.warning("message %s of %s is left for later: %s", message.message_id, message.queue, error)
        except Exception:  # noqa: BLE001 (one message must not hold up the others; its third receive ends it)
            _log.exception("message %s of %s could not be taken in", message.message_id, message.queue)
        return IntakeOutcome.LEFT

    def _claim(self, message: Message, accepted: AcceptedRequest, received_at: datetime) -> UnitRequest | IntakeOutcome:
        wanted = self._wanted(message, accepted, received_at)
        decision = self._requests.claim(wanted, self._clock.now())
        if isinstance(decision, Claimed):
            write_request(self._tables, accepted, message.attributes)
            return _unit_request(decision.row, message, received_at, len(accepted.body.get("items", "1")))
        if decision.row.partner_id != wanted.partner_id:
            explanation = "another partner's request has this request_id"
            self._endings.reject(message, None, reason=REQUEST_ID_TAKEN, explanation=explanation)
            return IntakeOutcome.REJECTED
        if isinstance(decision, AlreadyFinal):
            self._endings.finish(decision.row, message.queue, message.receipt_handle)
            return IntakeOutcome.FINAL
        return IntakeOutcome.LIVE

    def _wanted(self, message: Message, accepted: AcceptedRequest, received_at: datetime) -> RequestRow:
        """The lease ends when the message shows again, not later: who receives it then must be able to claim."""
        envelope = accepted.envelope
        return RequestRow(
            request_id=envelope.request_id,
            partner_id=envelope.partner_id,
            schema=envelope.schema,
            state=RequestState.RECEIVED,
            generation=1,
            owner=self._new_owner(),
            queue=message.queue,
            message_id=message.message_id,
            receipt_handle=message.receipt_handle,
            submitted_at=envelope.submitted_at,
            updated_at=self._clock.now(),
            lease_until=received_at + timedelta(seconds=QUEUES[message.queue].visibility_seconds - 1),
            group_id=message.group_id,
            body_key=request_body_key(envelope.request_id),
        )

    def _reject(self, message: Message, rejection: Rejection, received_at: datetime) -> None:
        """A request that is worked on or was answered keeps its status: this message only used its id."""
        event: Event | None = _event_of_message(message, rejection, received_at)
        if rejection.request_id is not None:
            row = self._requests.claim(self._closed(message, rejection, received_at), self._clock.now()).row
            ours = row.state is RequestState.REJECTED and row.message_id == message.message_id
            event = event_of(row) if ours else None
        self._endings.reject(message, event, reason=rejection.reason.value, explanation=rejection.message)

    def _closed(self, message: Message, rejection: Rejection, received_at: datetime) -> RequestRow:
        return RequestRow(
            request_id=rejection.request_id or "",
            partner_id=rejection.partner_id or "",
            schema=rejection.schema,
            state=RequestState.REJECTED,
            generation=1,
            owner=self._new_owner(),
            queue=message.queue,
            message_id=message.message_id,
            receipt_handle=message.receipt_handle,
            submitted_at=message.sent_at,
            updated_at=received_at,
            lease_until=received_at,
            group_id=message.group_id,
            error_class=rejection.reason.value,
            reason=rejection.message,
        )

    def _stored(self, unit: WorkUnit, mine: Sequence[bool]) -> WorkUnit | None:
        """The unit as a run will read it; None when no request of it is ours any more."""
        own = tuple(request for request, is_mine in zip(unit.requests, mine, strict=True) if is_mine)
        if not own:
            return None
        stored = WorkUnit(unit.queue, own)
        write_unit(self._tables, stored)
        return stored

    def _mark_queued(self, request: UnitRequest) -> bool:
        try:
            self._requests.update(request.request_id, request.owner, request.generation, RequestState.QUEUED)
        except FencedError:
            return False
        except StoreUnavailableError as error:
            _log.warning("request %s is left for later: %s", request.request_id, error)
            return False
        return True


def _unit_request(row: RequestRow, message: Message, received_at: datetime, titles: int) -> UnitRequest:
    return UnitRequest(
        request_id=row.request_id,
        generation=row.generation,
        owner=row.owner,
        partner_id=row.partner_id,
        schema=row.schema,
        queue=message.queue,
        message_id=message.message_id,
        receipt_handle=message.receipt_handle,
        body_key=row.body_key,
        submitted_at=row.submitted_at,
        received_at=received_at,
        sent_at=message.sent_at,
        group_id=message.group_id,
        receive_count=message.receive_count,
        titles=titles,
        cost_before_micro_usd=row.cost_micro_usd,
    )


def _event_of_message(message: Message, rejection: Rejection, now: datetime) -> Event:
    return Event(
        request_id="",
        partner_id=rejection.partner_id or "",
        schema=rejection.schema,
        state=RequestState.REJECTED,
        occurred_at=now,
        error_class=rejection.reason.value,
        reason=rejection.message,
        message_id=message.message_id,
    )
