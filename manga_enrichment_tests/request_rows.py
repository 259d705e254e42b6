"""Rows of the request lane for tests."""

import uuid
from datetime import timedelta
from typing import Any

from manga_enrichment.domain.requests.claims import RequestRow
from manga_enrichment.domain.requests.states import RequestState
from manga_enrichment.gateways.clock import Clock


def make_row(clock: Clock, **changes: Any) -> RequestRow:
    """A request as a sensor wants to claim it now, with a lease of one minute."""
    now = clock.now()
    values: dict[str, Any] = {
        "request_id": str(uuid.uuid4()),
        "partner_id": "partner-1",
        "schema": "batch_analysis",
        "state": RequestState.RECEIVED,
        "generation": 0,
        "owner": "sensor",
        "queue": "manga-fm-normal",
        "message_id": "m-1",
        "receipt_handle": "handle-1",
        "submitted_at": now,
        "updated_at": now,
        "lease_until": now + timedelta(minutes=1),
        **changes,
    }
    return RequestRow(**values)


def accepted_row(clock: Clock, **changes: Any) -> RequestRow:
    """A request as the front leaves it: no owner, no lease, no message that anybody holds."""
    now = clock.now()
    nobody = {"owner": "", "message_id": "", "receipt_handle": "", "lease_until": now}
    accepted = {"state": RequestState.ACCEPTED, "accepted_at": now, "item_count": 3}
    return make_row(clock, **{**nobody, **accepted, **changes})
