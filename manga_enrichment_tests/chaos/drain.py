"""Ten requests of a partner that are drained while a service is struck, and afterwards.

Belongs here: one cell of the matrix over the partner lane. Stays out: the rules (`judge.py`).

The lane works in rounds: a process with one tick and the runs it asks for, then all leases run out. Between two rounds
lies one visibility timeout of the product's time, minutes, but hardly any of the machine's: a fault of 8 s lasts
several rounds, so the rounds count receives as a fault of many minutes would.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from botocore.exceptions import ClientError

from manga_enrichment.domain.callbacks.signatures import SigningKey
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.requests.claims import RequestRow
from manga_enrichment.domain.requests.queues import DEAD_LETTERS, NORMAL
from manga_enrichment.domain.requests.states import RequestState, is_final
from manga_enrichment.local.stack.callback_receiver import CallbackReceiver
from manga_enrichment.local.stack.endpoints import CALLBACK_KEY_ID, CALLBACK_SECRET
from manga_enrichment.settings import load_settings
from manga_enrichment_tests.chaos.cells import Cell, Variant
from manga_enrichment_tests.chaos.faults import Fault
from manga_enrichment_tests.chaos.judge import GRACE_SECONDS, Auditor, Facts, needless
from manga_enrichment_tests.chaos.processes import Doomed, Ending, never, run_import, run_lane
from manga_enrichment_tests.chaos.stage import Stage, environment_of, titles_with_text
from manga_enrichment_tests.chaos.troubles import Trouble, trouble_of
from manga_enrichment_tests.end_to_end.file_clock import FileClock
from manga_enrichment_tests.end_to_end.partner_books import PartnerBooks

REQUESTS, TITLES_EACH = 10, 2
HIDDEN_SECONDS = 5
"""A message that nobody claimed shows again after that, instead of the queue's own two minutes.

Longer than a tick takes on a busy machine: one that shows while it is being claimed is received again, for nothing.
"""
MOST_ROUNDS_AFTER = 6
"""A request that still waits after so many rounds without a fault waits for ever."""
_ANSWERED = frozenset({RequestState.COMPLETED, RequestState.PARTIALLY_COMPLETED})
_ROUND_SECONDS = 120.0


def struck_drain(stage: Stage, cell: Cell) -> Facts:
    """Send, drain, heal, read the books."""
    folder = stage.clear()
    clock = stage.clock(folder)
    direct = stage.direct()
    imported = run_import(direct, clock, folder, _ROUND_SECONDS)
    if not imported.success:
        raise RuntimeError(f"the catalog could not be imported before {cell}: {imported.reasons}")
    with environment_of(direct), CallbackReceiver(SigningKey(CALLBACK_KEY_ID, CALLBACK_SECRET)) as receiver:
        drain = Drain(stage, receiver, clock, folder)
        trouble = trouble_of(stage, cell, clock)
        ending = drain.until_all_is_over(cell, trouble)
        auditor = Auditor(stage.stack)
        answered, quiet_from = auditor.account(clock.now()).answers, clock.now()
        drain.round(direct)
        return Facts(
            struck=trouble.struck,
            seconds=cell.stroke.seconds,
            ending=ending,
            account=auditor.account(clock.now()),
            lost=tuple(drain.lost()),
            unhealed=tuple(drain.waiting()),
            needless=needless(auditor.sent_since(quiet_from), answered),
            broken=(*drain.broken, *trouble.broken()),
            model_struck=cell.may_lose_answers,
        )


@dataclass
class Drain:
    """The requests that were sent, and rounds of the lane. broken: what a brake that was on did not keep, in words."""

    stage: Stage
    receiver: CallbackReceiver
    clock: FileClock
    folder: Path
    broken: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._sqs = self.stage.stack.client("sqs")
        self.books = PartnerBooks(load_settings(), self.clock, self.receiver, self._sqs)
        self.books.hide_received_messages_for(HIDDEN_SECONDS)
        known = iter(titles_with_text(self.stage.catalog, REQUESTS * TITLES_EACH))
        self.sent: Mapping[str, list[str]] = dict(self._send(known) for _ in range(REQUESTS))

    def _send(self, known: Iterator[str]) -> tuple[str, list[str]]:
        titles = [next(known) for _ in range(TITLES_EACH)]
        return self.books.send(titles), titles

    def until_all_is_over(self, cell: Cell, trouble: Trouble) -> Ending:
        """Rounds until every request has ended and every message is gone, or nothing moves any more."""
        began, struck, after = time.monotonic(), 0, 0
        reasons: list[str] = []
        environment, limit_seconds = self.stage.through_proxies(), cell.stroke.seconds + GRACE_SECONDS
        while self._is_anything_left() and after < MOST_ROUNDS_AFTER and time.monotonic() - began < limit_seconds:
            is_braked = cell.stroke.fault is Fault.BRAKE and trouble.is_on()
            doomed = trouble.is_on if cell.variant is Variant.KILLED and not is_braked else never
            reasons += (self._braked_round if is_braked else self.round)(environment, doomed).reasons
            if trouble.is_on():
                struck += 1
                if struck == cell.rounds:
                    trouble.end()
            else:
                after += 1
        left = self._is_anything_left()
        dead = self.books.gateways.queues.depth(DEAD_LETTERS).visible
        if dead:
            reasons.insert(0, f"{dead} dead letters")
        return Ending(ended=not left, success=not dead, seconds=time.monotonic() - began, reasons=tuple(reasons))

    def _braked_round(self, environment: Mapping[str, str], doomed: Doomed) -> Ending:
        """One that begins under the brake: it asks for nothing, and who waits is told why."""
        asked = self.stage.model.counters()["requests"]
        ending = self.round(environment, doomed)
        if more := self.stage.model.counters()["requests"] - asked:
            self.broken.append(f"{more} calls while the brake was on")
        classes = {row.error_class for row in self._rows() if not is_final(row.state)}
        if classes != {ErrorClass.BRAKE}:
            self.broken.append(f"under the brake requests wait for {sorted(map(str, classes)) or 'nothing'}")
        return ending

    def round(self, environment: Mapping[str, str], doomed: Doomed = never) -> Ending:
        """One tick and its runs; then every lease runs out."""
        ending = run_lane(environment, self.clock, self.folder, _ROUND_SECONDS, doomed)
        url = self._sqs.get_queue_url(QueueName=NORMAL.name)["QueueUrl"]
        for row in self._rows():
            with suppress(ClientError):  # its message is not hidden, or gone
                self._sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=row.receipt_handle, VisibilityTimeout=0)
        self.books.let_leases_run_out(NORMAL)
        self.books.hide_received_messages_for(HIDDEN_SECONDS)
        return ending

    def lost(self) -> list[str]:
        """Requests without status, answers, or word to their partner."""
        self.books.deliver()
        return [f"request {each}: {why}" for each in self.sent if (why := self._complaint(each))]

    def waiting(self) -> list[str]:
        """Requests that have not ended with all their answers, and messages that are left."""
        open_rows = [row for row in self._rows() if row.state is not RequestState.COMPLETED]
        said = [f"request {row.request_id} is {row.state.value} ({row.error_class})" for row in open_rows]
        depth = self.books.gateways.queues.depth(DEAD_LETTERS).visible
        return said + ([f"{depth} dead letters"] if depth else [])

    def _complaint(self, request_id: str) -> str:
        row = self.books.gateways.requests.get(request_id)
        if row is None:
            return "no worker has ever seen it"
        if row.state not in _ANSWERED:
            return f"it is {row.state.value} ({row.error_class or 'no reason'})"
        rows, document = self.books.results(request_id)
        titles = sorted(self.sent[request_id])
        if sorted(each["manga_id"] for each in rows) != titles:
            return "its results are not those that were asked for"
        if sorted(item["manga_id"] for item in document["items"]) != titles:
            return "its document is not what was asked for"
        told = self._told(request_id)
        return "" if told == [f"request.{row.state.value}"] else f"its partner was told {told or 'nothing'}"

    def _told(self, request_id: str) -> list[str]:
        """Types of the events that its partner got about a request, repetitions left out.

        Also of those that the receiver took for too old: its clock is the machine's, and ours has been moved on.
        """
        events = {each.event_id: each.event for each in self.receiver.received}
        return [event["type"] for event in events.values() if event.get("request_id") == request_id]

    def _is_anything_left(self) -> bool:
        """A request that waits, or a message of one that has ended."""
        ended = [row for row in self._rows() if is_final(row.state)]
        return len(ended) < len(self.sent) or not self.books.is_empty(NORMAL.name)

    def _rows(self) -> list[RequestRow]:
        """Of the requests that a worker has seen."""
        found = (self.books.gateways.requests.get(each) for each in self.sent)
        return [row for row in found if row is not None]
