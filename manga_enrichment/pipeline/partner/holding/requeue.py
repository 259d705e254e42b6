"""Giving a request back: it was not finished, through no fault of its own, and is to be tried again later.

Belongs here: releasing so that nothing gets lost and nothing moves towards the dead letters, also while DynamoDB or S3
is away. Stays out: deciding to.

SQS counts every receive, and after three the message goes to the dead letters, whatever the reason was. So on a
standard queue the request is sent anew with a delay, then the old message is deleted: a new message starts to count
from 0. Cut between the two, both exist; one is claimed as the next generation, the other finds it live or final. A FIFO
queue would put the new message behind the rest of its group, so there the message is kept hidden (`fifo_deferral.py`):
the message itself stays hidden and is worked on again without being received.

While a store is away SQS alone must do. The row then keeps its lease, and a delivery that finds it live is a receive
for nothing, so the message comes again only when any lease has run out. What cannot be sent anew, because it is FIFO or
because nobody has its body in memory, stays hidden for minutes: it costs one receive per outage.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.requests.claims import RequestRow
from manga_enrichment.domain.requests.queues import QUEUES
from manga_enrichment.domain.requests.states import RequestState, TransitionError
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.errors import FencedError, QueueUnavailableError, StoreUnavailableError
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.gateways.queue import Message, RequestQueue
from manga_enrichment.gateways.requests import RequestStore
from manga_enrichment.pipeline.partner.holding.fifo_deferral import FifoDeferral
from manga_enrichment.pipeline.partner.holding.leases import LONGEST_LEASE, SAFETY, Leases
from manga_enrichment.pipeline.partner.stored.requests import StoredRequests
from manga_enrichment.pipeline.partner.work_units import UnitRequest

MAX_DELAY_SECONDS = 900
"""What SQS takes."""
LEASE_MARGIN_SECONDS = 60
"""After a visibility timeout: a lease that was renewed is over then, also for who allows for MOST_CLOCK_SKEW."""
INTERRUPTED_DELAY_SECONDS = 15
"""Of what a process gives back that is to end: others take it up at once."""
_STOPPED = ErrorClass.STOPPED.value
HIDDEN_SECONDS = 300
"""For each receive that a message has behind it."""


class Requeue:
    def __init__(
        self, queue: RequestQueue, requests: RequestStore, tables: ObjectStore, clock: Clock, stored: StoredRequests
    ) -> None:
        """stored: what the caller has read of its requests."""
        self._queue = queue
        self._requests = requests
        self._clock = clock
        self._stored = stored
        self._fifo_deferral = FifoDeferral(queue, requests, tables, clock)

    def release(
        self,
        request: UnitRequest,
        *,
        delay_seconds: int,
        error_class: str,
        reason: str,
        **fields: Any,
    ) -> RequestRow:
        """Defer a request that is ours. fields: further ones of its row; cost_micro_usd is of all its generations.

        Raises FencedError, QueueUnavailableError, StoreUnavailableError; then it comes again by itself.
        """
        fields = {"counts": {}, "cost_micro_usd": request.cost_before_micro_usd} | fields
        row = self._requests.update(
            request.request_id,
            request.owner,
            request.generation,
            RequestState.DEFERRED,
            error_class=error_class,
            reason=reason,
            lease_until=self._clock.now(),
            **fields,
        )
        if QUEUES[row.queue].is_fifo:
            self._fifo_deferral.defer(request.with_handle_of(row), min(MAX_DELAY_SECONDS, delay_seconds))
        else:
            self._send_anew(row, min(MAX_DELAY_SECONDS, delay_seconds))
        return row

    def give_back(self, request: UnitRequest) -> None:
        """With SQS alone, since a store is away. Raises QueueUnavailableError; then it comes again by itself."""
        stored = self._stored.known(request.body_key)
        message = Message(
            queue=request.queue,
            message_id=request.message_id,
            receipt_handle=request.receipt_handle,
            body=stored.message_body() if stored else "",
            receive_count=request.receive_count,
            sent_at=request.sent_at,
            group_id=request.group_id,
            attributes=stored.attributes if stored else {},
        )
        return_message(self._queue, message, request.received_at, self._clock.now())

    def _send_anew(self, row: RequestRow, delay_seconds: int) -> None:
        stored = self._stored.read(row.body_key)
        body, attributes = stored.message_body(), stored.attributes
        _replace(self._queue, row.queue, row.receipt_handle, body, attributes, row.group_id, delay_seconds)


def return_message(queues: RequestQueue, message: Message, received_at: datetime, now: datetime) -> None:
    """Give a message back for when every lease on its request is over; one without a body only stays hidden.

    Raises QueueUnavailableError.
    """
    queue = QUEUES[message.queue]
    delay_seconds = queue.visibility_seconds + LEASE_MARGIN_SECONDS
    if queue.is_fifo or not message.body:
        left_seconds = int((received_at + LONGEST_LEASE - SAFETY - now).total_seconds())
        hidden_seconds = min(max(delay_seconds, HIDDEN_SECONDS * message.receive_count), left_seconds)
        if hidden_seconds > 0:
            queues.extend(queue.name, [message.receipt_handle], hidden_seconds)
        return
    delay_seconds = min(MAX_DELAY_SECONDS, delay_seconds)
    _replace(
        queues, queue.name, message.receipt_handle, message.body, message.attributes, message.group_id, delay_seconds
    )


def _replace(
    queues: RequestQueue,
    queue: str,
    receipt_handle: str,
    body: str,
    attributes: Mapping[str, str],
    group_id: str,
    delay_seconds: int,
) -> None:
    """The same message sent anew, whose receives count from 0; only then is the old one deleted."""
    queues.send(queue, body, attributes=attributes, group_id=group_id, delay_seconds=delay_seconds)
    queues.delete(queue, [receipt_handle])


def release_all(
    leases: Leases,
    releasing: Requeue,
    *,
    delay_seconds: int,
    reason: str,
    say: Callable[[str], None],
    only: str = "",
) -> int:
    """Give back what this process still holds, or the request whose id is `only`, as stopped. Returns how many.

    Once a store has turned out to be away, the rest goes back with SQS alone: asking it for each would take minutes.
    """
    released = 0
    away: Exception | None = None
    for request in [each for each in leases.held() if only in ("", each.request_id)]:
        leases.drop(request.request_id)
        try:
            if away is None:
                releasing.release(request, delay_seconds=delay_seconds, error_class=_STOPPED, reason=reason)
                released += 1
        except (FencedError, TransitionError):
            continue  # settled, or another generation's
        except (StoreUnavailableError, ConfigurationError) as error:
            away = error
        except (QueueUnavailableError, LookupError) as error:
            say(f"request {request.request_id} comes again when its lease is over: {error}")
        if away is not None:
            say(f"request {request.request_id}: {give_back_one(request, releasing, away)}")
    return released


def give_back_one(request: UnitRequest, releasing: Requeue, away: Exception) -> str:
    """With SQS alone. Returns a sentence."""
    try:
        releasing.give_back(request)
    except QueueUnavailableError as error:
        return f"it comes again when its lease is over: {away}; {error}"
    return f"it is given back and comes again later: {away}"
