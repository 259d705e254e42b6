"""How a message ends: its request announced, itself acked or kept where a redrive can help.

Belongs here: what follows the final status write, in an order that may be cut anywhere and begun again. Stays out: the
status write itself (`settle.py`, `intake.py`), who is told (`pipeline/outbox/announce.py`), dead letters as such
(`pipeline/dead_letters/queue.py`).

A request that is found final when its message comes again goes through `finish` once more: what was done before is
known by its id, what was not is made up for, and the message is acked.
"""

from manga_enrichment.domain.callbacks.deliveries import CallbackState
from manga_enrichment.domain.callbacks.events import Event
from manga_enrichment.domain.outcomes.error_classes import TREATMENTS, ErrorClass
from manga_enrichment.domain.requests.claims import RequestRow
from manga_enrichment.domain.requests.states import RequestState
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.gateways.queue import Message, RequestQueue
from manga_enrichment.pipeline.dead_letters.queue import DeadLetters
from manga_enrichment.pipeline.outbox.announce import OutboxWriter
from manga_enrichment.pipeline.partner.stored_requests import StoredRequest, read_stored_request

_TOLD = frozenset({CallbackState.DELIVERED.value, CallbackState.FAILED.value})


class Completion:
    """Everything raises StoreUnavailableError or QueueUnavailableError; the message then comes again."""

    def __init__(
        self, queue: RequestQueue, tables: ObjectStore, outbox_writer: OutboxWriter, dead_letters: DeadLetters
    ) -> None:
        self._queue = queue
        self._tables = tables
        self._outbox_writer = outbox_writer
        self._dead_letters = dead_letters

    def finish(self, row: RequestRow, queue: str, receipt_handle: str, request: StoredRequest | None = None) -> None:
        """Announce a final row and take its message from the queue. Safe to repeat.

        request: as stored, from a caller that has read it; else it is read.
        """
        if request is None and row.body_key:
            request = read_stored_request(self._tables, row.body_key)
        if request is not None and row.callback_state not in _TOLD:
            self._outbox_writer.announce(event_of(row), callback_url=request.callback_url, topic_arn=request.topic_arn)
        if request is not None and is_worth_a_redrive(row):
            message = _message_again(row, request, queue, receipt_handle)
            self._dead_letters.reject(message, row.error_class, row.reason)
        else:
            self._queue.delete(queue, [receipt_handle])

    def reject(self, message: Message, event: Event | None, *, reason: str, explanation: str) -> None:
        """Dead-letter a message that is no request. event: what our own topics hear of it, if it is news."""
        if event is not None:
            self._outbox_writer.announce(event)
        self._dead_letters.reject(message, reason, explanation)


def is_worth_a_redrive(row: RequestRow) -> bool:
    """A request that failed in a way that may pass: another generation can do better."""
    known = row.error_class in set(ErrorClass)
    return row.state is RequestState.FAILED and known and TREATMENTS[ErrorClass(row.error_class)].transient


def event_of(row: RequestRow) -> Event:
    """The end that a final row tells of. It occurred when the row was written."""
    return Event(
        request_id=row.request_id,
        partner_id=row.partner_id,
        schema=row.schema,
        state=row.state,
        occurred_at=row.updated_at,
        result=row.result_key,
        counts=row.counts,
        cost_micro_usd=row.cost_micro_usd,
        input_tokens=row.input_tokens,
        output_tokens=row.output_tokens,
        error_class=row.error_class,
        reason=row.reason,
        message_id=row.message_id,
    )


def _message_again(row: RequestRow, request: StoredRequest, queue: str, receipt_handle: str) -> Message:
    return Message(
        queue=queue,
        message_id=row.message_id,
        receipt_handle=receipt_handle,
        body=request.message_body(),
        receive_count=1,
        sent_at=row.submitted_at,
        group_id=row.group_id,
        attributes=request.attributes,
    )
