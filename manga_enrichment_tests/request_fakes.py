"""Small honest stand-ins for the gateways of the request lane: queues, request rows, notifications.

Honest means that `contracts/` runs the same tests over each of them and over the real gateway. All may be shared
between threads, and time is the given clock's: a message becomes visible when a test lets time pass.

`failures["receive"] = 2` makes the next two calls of that method fail as the real one does.
"""

import itertools
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.requests.claims import (
    AlreadyFinal,
    AlreadyLive,
    Claimed,
    RequestRow,
    decide_claim,
    may_reopen,
)
from manga_enrichment.domain.requests.queues import QUEUES, Queue, check_sendable
from manga_enrichment.domain.requests.states import RequestState, is_final, moved
from manga_enrichment.domain.requests.usage import Usage, usage_by_month
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.errors import (
    FencedError,
    NotifierUnavailableError,
    QueueUnavailableError,
    StoreUnavailableError,
)
from manga_enrichment.gateways.notify import Notification
from manga_enrichment.gateways.queue import Message, QueueDepth
from manga_enrichment.gateways.residents import Resident

DEDUPLICATION_WINDOW = timedelta(minutes=5)
_PER_CALL = 10


@dataclass(slots=True)
class _Stored:
    """A message in a queue. visible_at later than now: in flight when it was received before, else delayed."""

    message_id: str
    body: str
    sent_at: datetime
    visible_at: datetime
    group_id: str
    deduplication_id: str
    attributes: dict[str, str]
    source_queue: str = ""
    receive_count: int = 0
    receipt_handle: str = ""
    first_received_at: datetime | None = None

    def as_message(self, queue: str) -> Message:
        return Message(
            queue=queue,
            message_id=self.message_id,
            receipt_handle=self.receipt_handle,
            body=self.body,
            receive_count=self.receive_count,
            sent_at=self.sent_at,
            group_id=self.group_id,
            attributes=dict(self.attributes),
            deduplication_id=self.deduplication_id,
            source_queue=self.source_queue,
            first_received_at=self.first_received_at,
        )


@dataclass(slots=True)
class _Kept:
    queue: Queue
    messages: list[_Stored] = field(default_factory=list)
    sent: dict[tuple[str, str], tuple[str, datetime]] = field(default_factory=dict)  # (group, id): (message id, when)


class MemoryQueues:
    """RequestQueue over the project's queues, or over the given ones. wait_seconds is not waited."""

    def __init__(self, clock: Clock, queues: Mapping[str, Queue] = QUEUES) -> None:
        self._clock = clock
        self._queues = {name: _Kept(queue) for name, queue in queues.items()}
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()
        self.failures: Counter[str] = Counter()

    def messages(self, queue: str) -> list[Message]:
        """All that a queue holds, hidden or not, in order, without receiving them."""
        with self._lock:
            return [each.as_message(queue) for each in self._kept(queue).messages]

    def receive(
        self, queue: str, *, max_messages: int, wait_seconds: int, visibility_seconds: int | None = None
    ) -> list[Message]:
        with self._call("receive"):
            kept = self._kept(queue)
            seconds = kept.queue.visibility_seconds if visibility_seconds is None else visibility_seconds
            received: list[Message] = []
            while len(received) < max_messages:
                batch = self._receive_batch(kept, min(_PER_CALL, max_messages - len(received)), seconds)
                received += batch
                if not batch or not seconds:
                    break
            return received

    def extend(self, queue: str, receipt_handles: Sequence[str], seconds: int) -> set[str]:
        with self._call("extend"):
            now, kept, lost = self._clock.now(), self._kept(queue), set()
            for handle in receipt_handles:
                stored = _held(kept, handle)
                if stored is None or stored.visible_at <= now:
                    lost.add(handle)
                else:
                    stored.visible_at = now + timedelta(seconds=seconds)
            return lost

    def delete(self, queue: str, receipt_handles: Sequence[str]) -> set[str]:
        """As SQS: a standard queue is silent about stale handles, and takes the last one although its time is over."""
        with self._call("delete"):
            now, kept, lost = self._clock.now(), self._kept(queue), set()
            for handle in receipt_handles:
                stored = _held(kept, handle)
                if kept.queue.is_fifo and (stored is None or stored.visible_at <= now):
                    lost.add(handle)
                elif stored is not None:
                    kept.messages.remove(stored)
            return lost

    def send(
        self,
        queue: str,
        body: str,
        *,
        attributes: Mapping[str, str] | None = None,
        group_id: str = "",
        deduplication_id: str = "",
        delay_seconds: int = 0,
    ) -> str:
        attributes = {name: value for name, value in (attributes or {}).items() if value}
        check_sendable(queue, body, attributes, group_id, deduplication_id, delay_seconds)
        with self._call("send"):
            now, kept = self._clock.now(), self._kept(queue)
            if kept.queue.is_fifo:
                first, when = kept.sent.get((group_id, deduplication_id), ("", now))
                if first and when + DEDUPLICATION_WINDOW > now:
                    return first
            stored = _Stored(
                message_id=f"message-{next(self._numbers)}",
                body=body,
                sent_at=now,
                visible_at=now + timedelta(seconds=delay_seconds),
                group_id=group_id,
                deduplication_id=deduplication_id if kept.queue.is_fifo else "",
                attributes=attributes,
            )
            kept.sent[group_id, deduplication_id] = (stored.message_id, now)
            kept.messages.append(stored)
            return stored.message_id

    def depth(self, queue: str) -> QueueDepth:
        with self._call("depth"):
            now, messages = self._clock.now(), self._kept(queue).messages
            visible = sum(each.visible_at <= now for each in messages)
            delayed = sum(each.visible_at > now and not each.receive_count for each in messages)
            return QueueDepth(visible, len(messages) - visible - delayed, delayed)

    def _receive_batch(self, kept: _Kept, count: int, seconds: int) -> list[Message]:
        now = self._clock.now()
        blocked = {each.group_id for each in kept.messages if kept.queue.is_fifo and each.visible_at > now}
        taken: list[Message] = []
        for stored in list(kept.messages):
            if len(taken) == count:
                break
            if stored.visible_at > now or stored.group_id in blocked:
                continue
            if kept.queue.max_receives is not None and stored.receive_count >= kept.queue.max_receives:
                self._dead_letter(kept, stored)
            else:
                stored.receive_count += 1
                stored.first_received_at = stored.first_received_at or now
                stored.receipt_handle = f"{stored.message_id}#{next(self._numbers)}"
                stored.visible_at = now + timedelta(seconds=seconds)
                taken.append(stored.as_message(kept.queue.name))
        return taken

    def _dead_letter(self, kept: _Kept, stored: _Stored) -> None:
        assert kept.queue.dead_letters is not None
        kept.messages.remove(stored)
        stored.source_queue, stored.receipt_handle = kept.queue.name, ""
        self._kept(kept.queue.dead_letters).messages.append(stored)

    def _kept(self, queue: str) -> _Kept:
        if queue not in self._queues:
            raise ConfigurationError(f"Queue {queue} does not exist: deploy infra/queues.yaml")
        return self._queues[queue]

    def _call(self, method: str) -> "_Call":
        return _Call(self._lock, self.failures, method, QueueUnavailableError)


def _held(kept: _Kept, receipt_handle: str) -> _Stored | None:
    return next((each for each in kept.messages if receipt_handle and each.receipt_handle == receipt_handle), None)


class MemoryRequests:
    """RequestStore."""

    def __init__(self, clock: Clock, check_clock: Callable[[], None] = lambda: None) -> None:
        self._clock = clock
        self._check_clock = check_clock
        self._lock = threading.RLock()
        self.rows: dict[str, RequestRow] = {}
        self.used: dict[tuple[str, str], Usage] = {}
        self.paces: dict[str, list[float]] = {}
        self.policies: dict[str, dict[str, Any]] = {}
        self.failures: Counter[str] = Counter()

    def check_ready(self) -> None:
        with self._call("get"):
            self._check_clock()

    def claim(
        self, wanted: RequestRow, now: datetime, *, likely_new: bool = False
    ) -> Claimed | AlreadyLive | AlreadyFinal:
        with self._call("claim"):
            self._check_clock()
            decision = decide_claim(self.rows.get(wanted.request_id), wanted, now)
            self.rows[wanted.request_id] = decision.row
            return decision

    def note_pace(self, queue: str, seconds: float) -> None:
        with self._lock:
            self.paces.setdefault(queue, []).append(seconds)

    def note_usage(self, rows: Sequence[RequestRow]) -> None:
        with self._lock:
            for key, usage in usage_by_month(rows).items():
                self.used[key] = self.used.get(key, Usage()) + usage

    def usage(self, partner_id: str, month: str) -> Usage:
        with self._call("usage"):
            return self.used.get((partner_id, month), Usage())

    def accept(self, row: RequestRow) -> None:
        """As the request front does: no claim."""
        with self._lock:
            self.rows.setdefault(row.request_id, row)

    def update(
        self, request_id: str, owner: str, generation: int, state: RequestState | None = None, **fields: Any
    ) -> RequestRow:
        with self._call("update"):
            row, new_owner = self.rows.get(request_id), fields.pop("new_owner", owner)
            if row is None or row.owner not in (owner, new_owner) or row.generation != generation:
                raise FencedError(f"request {request_id} no longer belongs to {owner}, generation {generation}")
            fields = {"updated_at": self._clock.now(), **fields}
            row = replace(row, owner=new_owner, state=moved(row.state, state or row.state), **fields)
            self.rows[request_id] = row
            return row

    def reopen(self, request_id: str) -> bool:
        with self._call("reopen"):
            row = self.rows.get(request_id)
            if row is None or not may_reopen(row):
                return False
            self.rows[request_id] = replace(row, reopened=True)
            return True

    def cancel(self, request_id: str) -> RequestRow | None:
        with self._call("cancel"):
            row = self.rows.get(request_id)
            if row is not None and not is_final(row.state):
                row = self.rows[request_id] = replace(row, cancelled_ms=int(self._clock.now().timestamp() * 1000))
            return row

    def cancelled(self, request_ids: Sequence[str]) -> set[str]:
        with self._call("cancelled"):
            return {each for each in request_ids if each in self.rows and self.rows[each].cancelled_ms}

    def set_callback_state(self, request_id: str, told: RequestState, callback_state: str) -> None:
        with self._call("set_callback_state"):
            row = self.rows.get(request_id)
            if row is not None and row.state is told:
                self.rows[request_id] = replace(row, callback_state=callback_state)

    def policy_changes(self, partner_id: str) -> dict[str, Any]:
        with self._call("policy_changes"):
            return dict(self.policies.get(partner_id, {}))

    def change_policy(self, partner_id: str, changes: Mapping[str, Any]) -> None:
        with self._call("change_policy"):
            self.policies[partner_id] = dict(changes)

    def get(self, request_id: str) -> RequestRow | None:
        with self._call("get"):
            return self.rows.get(request_id)

    def unclaimed(self, queue: str, *, before: datetime, most: int) -> list[RequestRow]:
        with self._call("unclaimed"):
            waits = [row for row in self.rows.values() if (row.queue, row.state) == (queue, RequestState.ACCEPTED)]
            found = sorted(
                (row.accepted_at, row.request_id) for row in waits if row.accepted_at and row.accepted_at < before
            )
            return [self.rows[request_id] for _, request_id in found[:most]]

    def by_partner(self, partner_id: str, *, newest: int) -> list[RequestRow]:
        with self._call("by_partner"):
            own = [row for row in self.rows.values() if partner_id and row.partner_id == partner_id]
            return sorted(own, key=lambda row: row.submitted_at, reverse=True)[:newest]

    def _call(self, method: str) -> "_Call":
        return _Call(self._lock, self.failures, method, StoreUnavailableError)


class MemoryResidents:
    """ResidentTable."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self.rows: dict[tuple[str, int], Resident] = {}
        self.failures: Counter[str] = Counter()

    def put(self, resident: Resident) -> bool:
        with _Call(self._lock, self.failures, "put", StoreUnavailableError):
            present = self.rows.get((resident.lane, resident.slot))
            is_own = present is None or (present.epoch, present.run_id) == (resident.epoch, resident.run_id)
            if present is not None and not is_own and present.epoch >= resident.epoch:
                return False
            self.rows[resident.lane, resident.slot] = resident
            return True

    def residents(self, lane: str, slots: int) -> list[Resident]:
        with _Call(self._lock, self.failures, "residents", StoreUnavailableError):
            return [self.rows[lane, slot] for slot in range(slots) if (lane, slot) in self.rows]


@dataclass(frozen=True, slots=True)
class Published:
    """What one `publish` sent."""

    topic_arn: str
    subject: str
    message: str
    deduplication_id: str


class MemoryNotifier:
    """Notifier; every topic exists."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self.published: list[Published] = []
        self.failures: Counter[str] = Counter()

    def publish(self, topic_arn: str, subject: str, message: str, *, deduplication_id: str = "") -> None:
        with _Call(self._lock, self.failures, "publish", NotifierUnavailableError):
            self.published.append(Published(topic_arn, subject, message, deduplication_id))

    def publish_all(self, topic_arn: str, notifications: Sequence[Notification]) -> list[str]:
        problems = []
        for each in notifications:
            try:
                self.publish(topic_arn, each.subject, each.message, deduplication_id=each.deduplication_id)
            except NotifierUnavailableError as error:
                problems.append(str(error))
            else:
                problems.append("")
        return problems


class _Call:
    """`with` the lock held, unless the method was told to fail."""

    def __init__(self, lock: Any, failures: Counter[str], method: str, error: type[Exception]) -> None:
        self._lock, self._failures, self._method, self._error = lock, failures, method, error

    def __enter__(self) -> None:
        self._lock.acquire()
        if self._failures[self._method] > 0:
            self._failures[self._method] -= 1
            self._lock.release()
            raise self._error(f"the fake was told to fail in {self._method}")

    def __exit__(self, *_error: object) -> None:
        self._lock.release()
