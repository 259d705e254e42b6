"""How a message ends: its request announced, itself acked or kept where a redrive can help.

Belongs here: what follows the final status write, in an order that may be cut anywhere and begun again. Stays out: the
status write itself (`settle.py`, `pipeline/partner/intake.py`), who is told (`pipeline/outbox/announce.py`), dead
letters as such (`pipeline/dead_letters/queue.py`).

A request that is found final when its message comes again goes through `finish_again`: what was done before is known by
its id, what was not is made up for, its rows too, and the message is acked.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pyarrow as pa

from manga_enrichment.domain.callbacks.deliveries import CallbackState, Delivery
from manga_enrichment.domain.callbacks.events import Event
from manga_enrichment.domain.outcomes.answers import LedgerEntry
from manga_enrichment.domain.outcomes.error_classes import TREATMENTS, ErrorClass
from manga_enrichment.domain.requests.claims import RequestRow
from manga_enrichment.domain.requests.schemas import QUOTE
from manga_enrichment.domain.requests.states import RequestState
from manga_enrichment.gateways.errors import WriteConflictError
from manga_enrichment.gateways.ledger import ResultLedger
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.gateways.queue import Message, RequestQueue
from manga_enrichment.pipeline.dead_letters.queue import DeadLetters
from manga_enrichment.pipeline.log.append import log_entries
from manga_enrichment.pipeline.log.rows import PARTNER_TRIGGER
from manga_enrichment.pipeline.outbox.announce import OutboxWriter
from manga_enrichment.pipeline.partner.stored.requests import StoredRequest, read_stored_request
from manga_enrichment.pipeline.partner.stored.results import result_part
from manga_enrichment.pipeline.store.hour_keys import part_key

_TOLD = frozenset({CallbackState.DELIVERED.value, CallbackState.FAILED.value})


class Completion:
    """Everything raises StoreUnavailableError or QueueUnavailableError; the message then comes again."""

    def __init__(
        self,
        queue: RequestQueue,
        tables: ObjectStore,
        ledger: ResultLedger,
        outbox_writer: OutboxWriter,
        dead_letters: DeadLetters,
    ) -> None:
        self._queue = queue
        self._tables = tables
        self._ledger = ledger
        self._outbox_writer = outbox_writer
        self._dead_letters = dead_letters

    def word_of(
        self, row: RequestRow, request: StoredRequest, document: Mapping[str, Any] | None
    ) -> Sequence[Delivery]:
        """What tells of a final row. document: of its result. Nobody is told of a quote."""
        if row.callback_state in _TOLD or row.schema == QUOTE:
            return ()
        event = event_of(row).with_answers(document)
        asked = {"callback_url": request.callback_url, "topic_arn": request.topic_arn, "email": request.email}
        return self._outbox_writer.deliveries(event, **asked)

    def announce(self, word: Sequence[Delivery]) -> None:
        """Tell of any number of final rows. Safe to repeat."""
        self._outbox_writer.put(word)

    def ack(self, ended: Iterable[tuple[RequestRow, StoredRequest | None]]) -> None:
        """Take the messages of final rows from their queues: to the dead letters where a redrive can help.

        Only once everything else about them is written. Safe to repeat.
        """
        handles: dict[str, list[str]] = {}
        for row, request in ended:
            if request is not None and is_worth_a_redrive(row):
                self._dead_letters.reject(_message_again(row, request), row.error_class, row.reason)
            else:
                handles.setdefault(row.queue, []).append(row.receipt_handle)
        for queue, own in handles.items():
            self._queue.delete(queue, own)

    def finish_again(self, row: RequestRow, queue: str, receipt_handle: str) -> None:
        """All that follows a final status, for a message that comes again. Safe to repeat."""
        request = self.tell_again(row)
        self.ack([(replace(row, queue=queue, receipt_handle=receipt_handle), request)])

    def tell_again(self, row: RequestRow) -> StoredRequest | None:
        """All of it but the ack; the request as stored. Safe to repeat."""
        request = read_stored_request(self._tables, row.body_key) if row.body_key else None
        document = self._tables.read_json(row.result_key) if row.result_key else None
        if document is not None:  # else it has ended, long after its message should have
            self._write_rows_again(row, document)
        if request is not None:
            self.announce(self.word_of(row, request, document))
        return request

    def _write_rows_again(self, row: RequestRow, document: Mapping[str, Any]) -> None:
        """The rows that a process killed between status and flush did not write; who reads takes each once."""
        part = result_part(document, row)
        if not part.rows:
            return  # a document of a release that wrote rows first
        log_entries(self._tables, self._partners_entries(part.rows))
        table = pa.Table.from_pylist([dict(each) for each in part.rows], schema=part.schema)
        with suppress(WriteConflictError):  # then it was written again before
            self._tables.write(part_key(part.group, f"{row.request_id}-{row.generation}"), table, new=True)

    def _partners_entries(self, rows: Sequence[Mapping[str, Any]]) -> list[LedgerEntry]:
        """What a partner paid for of these rows' answers."""
        asked = {row["fingerprint"] for row in rows if row["fingerprint"]}
        entries = self._ledger.get_many(sorted(asked)) if asked else {}
        return [entry for entry in entries.values() if entry.provenance.trigger == PARTNER_TRIGGER]

    def reject(
        self,
        message: Message,
        event: Event | None,
        *,
        reason: str,
        explanation: str,
        callback_url: str = "",
        email: str = "",
    ) -> None:
        """Dead-letter a message that is no request. event: what is told of it, if it is news: to our own topics, and to
        the partner's URL and address where they are sound."""
        if event is not None:
            self._outbox_writer.announce(event, callback_url=callback_url, email=email)
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
        reference=row.reference,
        problems=json.loads(row.problems) if row.problems else (),
    )


def _message_again(row: RequestRow, request: StoredRequest) -> Message:
    return Message(
        queue=row.queue,
        message_id=row.message_id,
        receipt_handle=row.receipt_handle,
        body=request.message_body(),
        receive_count=1,
        sent_at=row.submitted_at,
        group_id=row.group_id,
        attributes=request.attributes,
    )
