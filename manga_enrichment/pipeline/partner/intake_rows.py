"""What intake makes of a message: the row that claims its request, the row that closes it, the request of a run.

Belongs here: which field of a message goes where. Stays out: what is done with them (`intake.py`).
"""

import json
from datetime import datetime, timedelta

from manga_enrichment.domain.callbacks.deliveries import CallbackState
from manga_enrichment.domain.callbacks.events import Event
from manga_enrichment.domain.requests.claims import RequestRow
from manga_enrichment.domain.requests.reading.envelope import AcceptedRequest, Rejection
from manga_enrichment.domain.requests.states import RequestState
from manga_enrichment.gateways.queue import Message
from manga_enrichment.pipeline.partner.holding.leases import first_lease_until
from manga_enrichment.pipeline.partner.work_units import UnitRequest
from manga_enrichment.pipeline.store.object_keys import request_body_key


def wanted_row(
    message: Message, accepted: AcceptedRequest, owner: str, received_at: datetime, now: datetime, clock_skew: timedelta
) -> RequestRow:
    envelope = accepted.envelope
    return RequestRow(
        request_id=envelope.request_id,
        partner_id=envelope.partner_id,
        schema=envelope.schema,
        state=RequestState.RECEIVED,
        generation=1,
        owner=owner,
        queue=message.queue,
        message_id=message.message_id,
        receipt_handle=message.receipt_handle,
        submitted_at=envelope.submitted_at,
        updated_at=now,
        lease_until=first_lease_until(message.queue, received_at, clock_skew),
        group_id=message.group_id,
        body_key=request_body_key(envelope.request_id),
        reference=accepted.body.get("reference", ""),
        accepted_at=message.sent_at,
        claimed_at=now,
    )


def closed_row(message: Message, rejection: Rejection, owner: str, received_at: datetime) -> RequestRow:
    return RequestRow(
        request_id=rejection.request_id or "",
        partner_id=rejection.partner_id or "",
        schema=rejection.schema,
        state=RequestState.REJECTED,
        generation=1,
        owner=owner,
        queue=message.queue,
        message_id=message.message_id,
        receipt_handle=message.receipt_handle,
        submitted_at=message.sent_at,
        updated_at=received_at,
        lease_until=received_at,
        group_id=message.group_id,
        error_class=rejection.reason.value,
        reason=rejection.message,
        callback_state=CallbackState.PENDING.value if rejection.callback_url else "",
        problems=json.dumps([each.to_document() for each in rejection.problems]) if rejection.problems else "",
        accepted_at=message.sent_at,
        claimed_at=received_at,
        completed_at=received_at,
    )


def unit_request(row: RequestRow, message: Message, received_at: datetime, titles: int) -> UnitRequest:
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
        model_seconds_before=row.model_seconds,
        is_cancelled=row.cancelled_ms > 0,
    )


def event_of_message(message: Message, rejection: Rejection, now: datetime) -> Event:
    return Event(
        request_id="",
        partner_id=rejection.partner_id or "",
        schema=rejection.schema,
        state=RequestState.REJECTED,
        occurred_at=now,
        error_class=rejection.reason.value,
        reason=rejection.message,
        message_id=message.message_id,
        problems=[each.to_document() for each in rejection.problems],
    )
