"""Lost messages: requests that the front accepted and whose message is nowhere any more. They end as failed here.

Belongs here: knowing that it is gone, and the end. Stays out: messages that are dead letters (`dead_requests.py`).

A workflow that was cut off between row and queue leaves such a row; its caller has no `202`, and a repeat with the same
Idempotency-Key sends the message. So does a queue that nobody received from for as long as it keeps messages. There is
no body to send again, so the row says what happened. It gets no result: a message that does come is worked on.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from manga_enrichment.domain.requests.claims import MESSAGE_LOST, Claimed, RequestRow
from manga_enrichment.domain.requests.queues import QUEUES, REQUEST_QUEUES, Queue
from manga_enrichment.domain.requests.states import RequestState
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.queue import RequestQueue
from manga_enrichment.gateways.requests import RequestStore

REASON = "its message was lost before anybody received it: send it again, with the same Idempotency-Key if it had one"
UNDER_WAY = timedelta(hours=1)
"""From row to queue, and until an empty queue is believed: its numbers may be a minute old."""
KEPT = timedelta(days=max(queue.retention_days for queue in QUEUES.values()))
MOST = 100
"""At one look and queue."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LostMessages:
    """new_owner: a name that no other claim has. clock_skew: how far off clocks may be."""

    queues: RequestQueue
    requests: RequestStore
    clock: Clock
    clock_skew: timedelta
    new_owner: Callable[[], str]

    def close_all(self) -> int:
        """One look at all queues. Returns how many ended. Raises QueueUnavailableError, StoreUnavailableError."""
        return sum(self._close(row) for queue in REQUEST_QUEUES for row in self._gone(queue))

    def _gone(self, queue: Queue) -> list[RequestRow]:
        """A message is gone when no queue keeps any for so long, or neither its own nor the dead letters hold one."""
        now = self.clock.now()
        waiting = self.requests.unclaimed(queue.name, before=now - UNDER_WAY, most=MOST)
        if not waiting or all(self._is_empty(name) for name in (queue.name, queue.dead_letters or queue.name)):
            return waiting
        return [row for row in waiting if now - (row.accepted_at or now) > KEPT]

    def _is_empty(self, queue: str) -> bool:
        depth = self.queues.depth(queue)
        return not (depth.visible or depth.in_flight or depth.delayed)

    def _close(self, row: RequestRow) -> bool:
        """False when a worker has it by now."""
        now = self.clock.now()
        ended = replace(
            row,
            owner=self.new_owner(),
            state=RequestState.FAILED,
            updated_at=now,
            lease_until=now,
            completed_at=now,
            error_class=MESSAGE_LOST,
            reason=REASON,
        )
        if not isinstance(self.requests.claim(ended, now - self.clock_skew), Claimed):
            return False
        _log.warning("request %s of %s: %s", row.request_id, row.partner_id, REASON)
        return True
