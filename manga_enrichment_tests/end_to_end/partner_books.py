"""What partner requests left behind: queues, status rows, results, callbacks, the model server's bill."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from manga_enrichment.aws.gateways import open_gateways
from manga_enrichment.aws.outbound.callbacks import HttpsCallbacks
from manga_enrichment.defs.partner.settings import notification_policy
from manga_enrichment.domain.callbacks.signatures import SigningKey
from manga_enrichment.domain.requests.claims import RequestRow
from manga_enrichment.domain.requests.queues import DEAD_LETTERS, HIGH_PRIORITY, NORMAL, QUEUES, REQUEST_QUEUES, Queue
from manga_enrichment.domain.requests.states import RequestState
from manga_enrichment.domain.requests.validation import RequestPolicy
from manga_enrichment.local.stack.callback_receiver import CallbackReceiver
from manga_enrichment.local.stack.cleaning import empty_queues
from manga_enrichment.local.stack.endpoints import CALLBACK_KEY_ID, CALLBACK_SECRET
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment.pipeline.dead_letters.queue import DeadLetter, DeadLetters
from manga_enrichment.pipeline.outbox.relay import DeliveryGateways, OutboxRelay
from manga_enrichment.pipeline.partner.holding.requeue import LEASE_MARGIN_SECONDS
from manga_enrichment.pipeline.partner.stored.results import each_result_once
from manga_enrichment.pipeline.partner.submit import submit
from manga_enrichment.pipeline.store.hour_groups import read_once
from manga_enrichment.settings import Settings, load_settings, signing_key
from manga_enrichment_tests.end_to_end.file_clock import FileClock

PARTNER = "acme"
SAMPLE = Path(__file__).resolve().parents[2] / "data" / "catalog" / "sample.jsonl"
_SECONDS = 60


def known_titles() -> list[str]:
    """Ids of the sample's titles that have enough text for a question."""
    rows = [json.loads(line) for line in SAMPLE.read_text("utf-8").splitlines()]
    return [row["manga_id"] for row in rows if "manga_id" in row and len(row.get("synopsis") or "") > 80]


class PartnerBooks:
    """Under the local stack's environment. queues: a client of the emulator."""

    def __init__(self, settings: Settings, clock: FileClock, receiver: CallbackReceiver, sqs: Any) -> None:
        self._settings = settings
        self._clock = clock
        self._receiver = receiver
        self._sqs = sqs
        self.gateways = open_gateways(settings)

    # What a partner does

    def send(
        self,
        titles: Sequence[str],
        *,
        request_id: str = "",
        priority: str = "normal",
        partner_id: str = PARTNER,
    ) -> str:
        """A batch for the queue of its priority; its request_id."""
        request_id = request_id or str(uuid4())
        items = [{"manga_id": each, "analysis_type": "reading_level"} for each in titles]
        submit(
            self.gateways.queues,
            "batch_analysis",
            {"items": items, "callback_url": self._receiver.url, "priority": priority},
            partner_id=partner_id,
            request_id=request_id,
            now=self._clock.now(),
            policy=RequestPolicy(allow_loopback_callbacks=True),
        )
        return request_id

    # What a test does to the queue

    def hide_received_messages_for(self, seconds: int, queue: str = NORMAL.name) -> None:
        self._sqs.set_queue_attributes(QueueUrl=self._url(queue), Attributes={"VisibilityTimeout": str(seconds)})

    def wait_until_visible(self, messages: int = 1, queue: str = NORMAL.name) -> None:
        deadline = time.monotonic() + _SECONDS
        while (depth := self.gateways.queues.depth(queue)).visible < messages:
            assert time.monotonic() < deadline, depth
            time.sleep(0.1)

    def wait_until_nothing_is_hidden(self, queue: str = NORMAL.name) -> None:
        """Until what was received or delayed can be received."""
        deadline = time.monotonic() + _SECONDS
        while (depth := self.gateways.queues.depth(queue)).in_flight + depth.delayed:
            assert time.monotonic() < deadline, depth
            time.sleep(0.1)

    def let_leases_run_out(self, queue: Queue) -> None:
        """What was received can be received again, and nobody is taken for alive any more."""
        self.wait_until_nothing_is_hidden(queue.name)
        self._clock.advance(queue.visibility_seconds + LEASE_MARGIN_SECONDS)
        self.hide_received_messages_for(queue.visibility_seconds, queue.name)

    def end_lease(self, request_id: str, queue: str = NORMAL.name) -> None:
        """At once, although somebody has extended it: its message can be received, its owner is not taken for alive."""
        self.show(request_id, queue)
        self._clock.advance(QUEUES[queue].visibility_seconds + LEASE_MARGIN_SECONDS)

    def show(self, request_id: str, queue: str) -> None:
        """Its message can be received. Raises ClientError when it is acked."""
        handle = self.row(request_id).receipt_handle
        self._sqs.change_message_visibility(QueueUrl=self._url(queue), ReceiptHandle=handle, VisibilityTimeout=0)

    def is_empty(self, queue: str) -> bool:
        depth = self.gateways.queues.depth(queue)
        return not (depth.visible or depth.in_flight or depth.delayed)

    # What must hold

    def row(self, request_id: str) -> RequestRow:
        row = self.gateways.requests.get(request_id)
        assert row is not None, "nobody has seen the request"
        return row

    def results(self, request_id: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Rows of a request, as they are read, and its document."""
        tables = read_once(self.gateways.tables, "enrichment/partner_results/", each_result_once)
        rows = [row for table in tables for row in table.to_pylist() if row["request_id"] == request_id]
        document = self.gateways.tables.read_json(self.row(request_id).result_key)
        assert document is not None
        return rows, document

    def assert_answered_once(self, request_id: str, titles: Sequence[str]) -> None:
        """Nothing lost, nothing twice, every row once, one document, one event, no message, no dead letter of it."""
        row = self.row(request_id)
        assert (row.state, row.counts) == (RequestState.COMPLETED, {"items": len(titles), "succeeded": len(titles)})
        rows, document = self.results(request_id)
        assert sorted(each["manga_id"] for each in rows) == sorted(titles)
        assert sorted(item["manga_id"] for item in document["items"]) == sorted(titles)
        assert {each["outcome"] for each in rows} == {"succeeded"}
        assert (document["generation"], document["cost_usd"]) == (row.generation, row.cost_micro_usd / 1_000_000)
        for queue in (HIGH_PRIORITY.name, NORMAL.name):
            depth = self.gateways.queues.depth(queue)
            assert (depth.visible, depth.in_flight, depth.delayed) == (0, 0, 0), queue
        assert [each for each in self.dead_letters() if each.request_id == request_id] == []
        self.deliver()
        told = [each for each in self._receiver.received if each.event.get("request_id") == request_id]
        assert {(each.event["type"], each.problem) for each in told} == {("request.completed", "")}
        assert len({each.event_id for each in told}) == 1
        assert len({json.dumps(each.event) for each in told}) == 1

    def dead_letters(self) -> Sequence[DeadLetter]:
        """All there are, with those that somebody was looking at."""
        self.wait_until_nothing_is_hidden(DEAD_LETTERS)
        letters = DeadLetters(queues=self.gateways.queues, requests=self.gateways.requests, clock=self._clock)
        return letters.peek(DEAD_LETTERS).letters

    def deliver(self) -> None:
        """Send what is due in the outbox."""
        gateways = DeliveryGateways(
            outbox=self.gateways.outbox,
            sender=HttpsCallbacks(allow_loopback=True),
            notifier=self.gateways.notifier,
            mailer=self.gateways.mailer,
            requests=self.gateways.requests,
            clock=self._clock,
            signing_key=signing_key(self._settings),
        )
        OutboxRelay(gateways, notification_policy(self._settings)).deliver_due(100)

    def _url(self, queue: str) -> str:
        return str(self._sqs.get_queue_url(QueueName=queue)["QueueUrl"])


@contextmanager
def open_books(stack: LocalStack, clock: FileClock) -> Iterator[PartnerBooks]:
    """With a receiver of callbacks and empty queues, which hide messages as long as they should when this is over."""
    sqs = stack.client("sqs")
    with CallbackReceiver(SigningKey(CALLBACK_KEY_ID, CALLBACK_SECRET)) as receiver:
        books = PartnerBooks(load_settings(), clock, receiver, sqs)
        empty_queues(sqs, QUEUES)
        yield books
        for queue in REQUEST_QUEUES:
            books.hide_received_messages_for(queue.visibility_seconds, queue.name)
        empty_queues(sqs, QUEUES)
