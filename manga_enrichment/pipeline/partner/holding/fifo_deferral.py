"""Deferred requests of FIFO queues: their messages stay hidden and are worked on again without being received again.

Belongs here: deferring a request that was given back, and knowing when its time has come. Stays out: giving it back
(`requeue.py`), claiming it again (`pipeline/partner/intake.py`).

A FIFO message cannot be sent anew: it would stand behind the rest of its group. Received again, its receive counts, and
the third is its last. So the message stays hidden for somewhat longer than the delay, which also keeps its group in
order, and a small object says which request it was. The sensor takes the request up again with the receipt handle it
has. Nothing depends on that object: where it was not written, or nobody looked in time, the message shows by itself,
for the price of one receive. After 12 hours SQS hides it no longer, and then that is what happens.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from manga_enrichment.domain.requests.states import RequestState
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.gateways.queue import RequestQueue
from manga_enrichment.gateways.requests import RequestStore
from manga_enrichment.pipeline.partner.holding.leases import LONGEST_LEASE, SAFETY
from manga_enrichment.pipeline.partner.stored.units import request_document, request_of
from manga_enrichment.pipeline.partner.work_units import UnitRequest
from manga_enrichment.pipeline.store.object_keys import parked_key, parked_prefix

WINDOW = timedelta(minutes=3)
"""How long after its time a request may be taken up; the message stays hidden for a minute more."""
_MARGIN = timedelta(minutes=1)
_SPAN = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class DeferredMessage:
    """request: as it was when it was given back."""

    request: UnitRequest
    due_at: datetime


class FifoDeferral:
    """Methods raise QueueUnavailableError and StoreUnavailableError."""

    def __init__(self, queue: RequestQueue, requests: RequestStore, tables: ObjectStore, clock: Clock) -> None:
        self._queue = queue
        self._requests = requests
        self._tables = tables
        self._clock = clock

    def defer(self, request: UnitRequest, delay_seconds: float) -> None:
        """Hide the message of a deferred request and note when it may be tried again."""
        now = self._clock.now()
        due_at = now + timedelta(seconds=delay_seconds)
        last = request.received_at + LONGEST_LEASE - SAFETY
        if due_at + WINDOW + _MARGIN > last:  # SQS will deliver it once more
            self._queue.extend(request.queue, [request.receipt_handle], int(delay_seconds))
            return
        hidden_seconds = (due_at + WINDOW + _MARGIN - now).total_seconds()
        if not self._queue.extend(request.queue, [request.receipt_handle], int(hidden_seconds)):
            key = parked_key(request.queue, _span(due_at), request.request_id, request.generation)
            document = {"due_at": due_at.isoformat(), "request": request_document(request)}
            self._tables.write_json(key, document)

    def due(self, queue: str) -> list[DeferredMessage]:
        """Requests whose time has come and which nobody has taken up, the longest waiting first."""
        now = self._clock.now()
        deferred = [each for each in self._noted(queue, now) if now - WINDOW <= each.due_at <= now]
        return sorted(filter(self._still_waits, deferred), key=lambda each: each.due_at)

    def keep(self, deferred: DeferredMessage) -> None:
        """There is no run for it now: hide its message further, when the end of its time comes near."""
        if self._clock.now() - deferred.due_at > WINDOW / 2:
            self.defer(deferred.request, 0)

    def take_up(self, deferred: DeferredMessage) -> bool:
        """Hide the message for a work's beginning; False when it is lost, and will come by itself."""
        request = deferred.request
        return not self._queue.extend(request.queue, [request.receipt_handle], request.visibility_seconds)

    def _noted(self, queue: str, now: datetime) -> Iterator[DeferredMessage]:
        for span in sorted({_span(now - WINDOW), _span(now)}):
            for key in self._tables.list_keys(parked_prefix(queue, span)):
                document = self._tables.read_json(key)
                if document is not None:
                    due_at = datetime.fromisoformat(document["due_at"]).astimezone(UTC)
                    yield DeferredMessage(request_of(document["request"]), due_at)

    def _still_waits(self, deferred: DeferredMessage) -> bool:
        row = self._requests.get(deferred.request.request_id)
        return (
            row is not None
            and row.state is RequestState.DEFERRED
            and row.generation == deferred.request.generation
            and row.receipt_handle == deferred.request.receipt_handle
        )


def _span(moment: datetime) -> str:
    """The ten minutes that a moment lies in: what is listed together."""
    start = datetime.fromtimestamp(moment.timestamp() // _SPAN.total_seconds() * _SPAN.total_seconds(), UTC)
    return start.strftime("%Y-%m-%dT%H-%M")
