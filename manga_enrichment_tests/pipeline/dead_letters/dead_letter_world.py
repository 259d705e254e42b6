"""Queues with dead letters of every kind, for tests of what is done about them."""

import json
import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

from manga_enrichment.domain.requests.claims import AlreadyFinal, AlreadyLive, Claimed
from manga_enrichment.domain.requests.queues import DEAD_LETTERS, NORMAL
from manga_enrichment.domain.requests.states import RequestState
from manga_enrichment.gateways.queue import Message
from manga_enrichment.pipeline.dead_letters.queue import DeadLetters
from manga_enrichment.pipeline.dead_letters.redrive import Redrive
from manga_enrichment_tests.fake_clock import FakeClock
from manga_enrichment_tests.request_fakes import MemoryQueues, MemoryRequests
from manga_enrichment_tests.request_rows import make_row

MALFORMED = ["not json", "{", "[]", '{"request_id": {}}', '{"request_id": "../../x"}', "NaN", "\t\r\n", "[" * 5000]


class DeadLetterWorld:
    """Fakes on one clock, and the few moves of sensor and worker that dead letters depend on."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.queues = MemoryQueues(self.clock)
        self.requests = MemoryRequests(self.clock)
        self.letters = DeadLetters(queues=self.queues, requests=self.requests, clock=self.clock)
        self.redrive = Redrive(queues=self.queues, requests=self.requests, clock=self.clock)

    def fail_three_times(self, queue: str, body: str, **how: Any) -> None:
        """Send a message and let SQS dead-letter it."""
        self.queues.send(queue, body, **how)
        for _ in range(3):
            self._release(self.receive(queue))
        self._release(self.receive(queue))

    def receive(self, queue: str, count: int = 10) -> list[Message]:
        return self.queues.receive(queue, max_messages=count, wait_seconds=0)

    def _release(self, messages: list[Message]) -> None:
        for message in messages:
            self.queues.extend(message.queue, [message.receipt_handle], 0)

    def claim(self, message: Message) -> Claimed | AlreadyLive | AlreadyFinal:
        """As the sensor does."""
        wanted = make_row(
            self.clock,
            request_id=json.loads(message.body)["request_id"],
            owner=f"sensor-{message.receipt_handle}",
            queue=message.queue,
            message_id=message.message_id,
            receipt_handle=message.receipt_handle,
        )
        return self.requests.claim(wanted, self.clock.now())

    def fail_request(self, request_id: str, error_class: str, state: RequestState = RequestState.FAILED) -> None:
        """A request that ended badly, and its partner was told."""
        row = make_row(self.clock, request_id=request_id, lease_until=self.clock.now() - timedelta(seconds=1))
        failed = replace(row, state=state, error_class=error_class, result_key="results/1.json", generation=1)
        self.requests.rows[request_id] = failed

    def drain(self, queue: str) -> list[str]:
        """Bodies of all that is visible in a queue; acked."""
        messages = self.receive(queue, 1000)
        self.queues.delete(queue, [message.receipt_handle for message in messages])
        return [message.body for message in messages]

    def dead(self, queue: str = DEAD_LETTERS) -> list[Message]:
        return self.queues.messages(queue)


def make_body(request_id: str | None = None, *, partner_id: str = "partner-1", **body: Any) -> str:
    """An envelope as partners' messages have it; its own fields are right, its body need not be."""
    return json.dumps(
        {
            "schema": "batch_analysis",
            "schema_version": 1,
            "request_id": request_id or str(uuid.uuid4()),
            "partner_id": partner_id,
            "submitted_at": "2026-01-15T02:00:00Z",
            "source": "api",
            "body": body,
        }
    )


def world_with(count: int, *, partner_id: str = "partner-1") -> DeadLetterWorld:
    """A world with `count` requests of a partner that failed three times on the normal queue."""
    world = DeadLetterWorld()
    for _ in range(count):
        world.fail_three_times(NORMAL.name, make_body(partner_id=partner_id), group_id=partner_id)
    return world
