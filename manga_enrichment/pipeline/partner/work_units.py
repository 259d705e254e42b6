"""Work units: claimed requests that one run works at.

Belongs here: what a run must know of its requests. Stays out: how many share a run (`packing.py`), the object that
lists them (`stored/units.py`), claiming (`intake.py`), the work itself (`run_steps.py`).
"""

from dataclasses import dataclass, replace
from datetime import datetime

from manga_enrichment.domain.requests.claims import RequestRow
from manga_enrichment.domain.requests.queues import QUEUES


@dataclass(frozen=True, slots=True)
class UnitRequest:
    """One claimed request. received_at: when SQS gave its message, which bounds its lease. sent_at: when SQS got it.

    titles: items of a batch, 1 for a conversation. cost_before_micro_usd, model_seconds_before: of earlier generations.
    is_cancelled: as far as its run knows.
    """

    request_id: str
    generation: int
    owner: str
    partner_id: str
    schema: str
    queue: str
    message_id: str
    receipt_handle: str
    body_key: str
    submitted_at: datetime
    received_at: datetime
    sent_at: datetime
    group_id: str = ""
    receive_count: int = 1
    titles: int = 1
    cost_before_micro_usd: int = 0
    model_seconds_before: float = 0.0
    is_cancelled: bool = False

    @property
    def visibility_seconds(self) -> int:
        return QUEUES[self.queue].visibility_seconds

    @property
    def is_last_delivery(self) -> bool:
        """SQS dead-letters it instead of delivering it once more."""
        max_receives = QUEUES[self.queue].max_receives
        return max_receives is not None and self.receive_count >= max_receives

    def with_handle_of(self, row: RequestRow) -> "UnitRequest":
        """The receipt handle may be newer in the row: a second delivery refreshes it. It may be cancelled meanwhile."""
        is_cancelled = self.is_cancelled or row.cancelled_ms > 0
        newest = replace(self, queue=row.queue, message_id=row.message_id, receipt_handle=row.receipt_handle)
        return replace(newest, is_cancelled=is_cancelled)


@dataclass(frozen=True, slots=True)
class WorkUnit:
    """Requests of one queue for one run, in the order they were received."""

    queue: str
    requests: tuple[UnitRequest, ...]

    @property
    def key(self) -> str:
        """`request_id:generation` of the first request: never the same twice, since every claim raises it."""
        first = self.requests[0]
        return f"{first.request_id}:{first.generation}"

    @property
    def titles(self) -> int:
        return sum(request.titles for request in self.requests)
