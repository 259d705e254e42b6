"""Giving a request back: it was not finished, through no fault of its own, and is to be tried again later.

Belongs here: releasing so that nothing gets lost and nothing moves towards the dead letters. Stays out: deciding to.

SQS counts every receive, and after three the message goes to the dead letters, whatever the reason was. So on a
standard queue the request is sent anew with a delay, then the old message is deleted: a new message starts to count
from 0. Cut between the two, both exist; one is claimed as the next generation, the other finds it live or final. A FIFO
queue would put the new message behind the rest of its group, so there the message is kept hidden (`fifo_deferral.py`):
the message itself stays hidden and is worked on again without being received.
"""

from manga_enrichment.domain.requests.claims import RequestRow
from manga_enrichment.domain.requests.queues import QUEUES
from manga_enrichment.domain.requests.states import RequestState
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.gateways.queue import RequestQueue
from manga_enrichment.gateways.requests import RequestStore
from manga_enrichment.pipeline.partner.fifo_deferral import FifoDeferral
from manga_enrichment.pipeline.partner.stored_requests import read_stored_request
from manga_enrichment.pipeline.partner.work_units import UnitRequest

MAX_DELAY_SECONDS = 900
"""What SQS takes."""


class Requeue:
    def __init__(self, queue: RequestQueue, requests: RequestStore, tables: ObjectStore, clock: Clock) -> None:
        self._queue = queue
        self._requests = requests
        self._tables = tables
        self._clock = clock
        self._fifo_deferral = FifoDeferral(queue, requests, tables, clock)

    def release(
        self,
        request: UnitRequest,
        *,
        delay_seconds: int,
        error_class: str,
        reason: str,
        cost_micro_usd: int = 0,
        counts: dict[str, int] | None = None,
    ) -> RequestRow:
        """Defer a request that is ours. cost_micro_usd: of all its generations.

        Raises FencedError, QueueUnavailableError, StoreUnavailableError; then it comes again by itself.
        """
        row = self._requests.update(
            request.request_id,
            request.owner,
            request.generation,
            RequestState.DEFERRED,
            error_class=error_class,
            reason=reason,
            counts=counts or {},
            cost_micro_usd=cost_micro_usd or request.cost_before_micro_usd,
            lease_until=self._clock.now(),
        )
        if QUEUES[row.queue].is_fifo:
            self._fifo_deferral.defer(request.with_handle_of(row), min(MAX_DELAY_SECONDS, delay_seconds))
        else:
            self._send_anew(row, min(MAX_DELAY_SECONDS, delay_seconds))
        return row

    def _send_anew(self, row: RequestRow, delay_seconds: int) -> None:
        stored = read_stored_request(self._tables, row.body_key)
        self._queue.send(
            row.queue,
            stored.message_body(),
            attributes=stored.attributes,
            group_id=row.group_id,
            delay_seconds=delay_seconds,
        )
        self._queue.delete(row.queue, [row.receipt_handle])
