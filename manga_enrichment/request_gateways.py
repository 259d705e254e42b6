"""Protocols of the request lane: queues, the states of requests, notifications.

`gateways.py` has those of the enrichment itself. `aws/` implements both, tests have fakes, one contract suite runs
against each pair. What fake and gateway must decide alike stands here as a function: who gets a claim, which bodies a
queue takes.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol

from manga_enrichment.domain.requests.envelope import MAX_MESSAGE_BYTES
from manga_enrichment.domain.requests.states import RequestState, is_answered


@dataclass(frozen=True, slots=True)
class Message:
    """One delivery. receive_count includes this one; attributes are the message attributes as strings.

    deduplication_id: of FIFO queues. source_queue: on a dead-letter queue, where SQS moved it from after too many
    receives; "" for what was sent there.
    """

    queue: str
    message_id: str
    receipt_handle: str
    body: str
    receive_count: int
    sent_at: datetime
    group_id: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    deduplication_id: str = ""
    source_queue: str = ""


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """Approximate numbers, as SQS gives them."""

    visible: int
    in_flight: int
    delayed: int


class QueueUnavailableError(Exception):
    """SQS did not answer although the SDK retried."""


# What XML 1.0 cannot carry, and SQS therefore refuses.
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


_MAX_ATTRIBUTES = 10


def check_sendable(
    queue: str, body: str, attributes: Mapping[str, str], group_id: str, deduplication_id: str, delay_seconds: int
) -> None:
    """Raises ValueError, one sentence, for what SQS would refuse. Attributes count towards the size."""
    for name, text in (("the body", body), *attributes.items()):
        illegal = _ILLEGAL.search(text)
        if illegal:
            found = f"U+{ord(illegal[0]):04X} at character {illegal.start()} of {name}"
            raise ValueError(f"a message to {queue} holds {found}, which SQS does not take: escape it")
    size = len(body.encode()) + sum(len(f"{name}String{value}".encode()) for name, value in attributes.items())
    if not body or size > MAX_MESSAGE_BYTES:
        raise ValueError(f"a message to {queue} must have 1 to {MAX_MESSAGE_BYTES} bytes with its attributes")
    if len(attributes) > _MAX_ATTRIBUTES:
        raise ValueError(f"a message to {queue} has more than {_MAX_ATTRIBUTES} attributes")
    if queue.endswith(".fifo") and not (group_id and deduplication_id and not delay_seconds):
        raise ValueError(f"a message to {queue} needs group_id and deduplication_id and takes no delay_seconds")


class RequestQueue(Protocol):
    """SQS by queue name. All methods raise QueueUnavailableError, and ConfigurationError for a missing queue."""

    def receive(
        self, queue: str, *, max_messages: int, wait_seconds: int, visibility_seconds: int | None = None
    ) -> list[Message]:
        """Up to max_messages (also above SQS's 10 a call); visibility None: the queue's own.

        Waits for the first message only. Of a FIFO group no more come while one of it is held from an earlier call.
        """
        ...

    def extend(self, queue: str, receipt_handles: Sequence[str], seconds: int) -> set[str]:
        """Hide messages for `seconds` from now; 0 releases them. Returns the handles whose lease is lost."""
        ...

    def delete(self, queue: str, receipt_handles: Sequence[str]) -> set[str]:
        """Ack. Returns the handles that could not be deleted because their lease is lost.

        Only FIFO queues tell reliably: a standard queue may take a stale handle and keep the message all the same.
        """
        ...

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
        """Returns the message id. Raises ValueError for what SQS does not take (`check_sendable`).

        An attribute without value is left out. A FIFO queue drops a repeated deduplication_id of a group for 5 minutes
        and returns the first one's id.
        """
        ...

    def depth(self, queue: str) -> QueueDepth: ...


@dataclass(frozen=True, slots=True)
class RequestRow:
    """The status row of one request. owner and generation fence every write after the claim.

    lease_until: the owner is taken for alive until then. body_key: object with the validated request. Timestamps UTC.
    reopened: a person had a rejected or failed request redriven, so that the next claim may have it.
    """

    request_id: str
    partner_id: str
    schema: str
    state: RequestState
    generation: int
    owner: str
    queue: str
    message_id: str
    receipt_handle: str
    submitted_at: datetime
    updated_at: datetime
    lease_until: datetime
    run_id: str = ""
    group_id: str = ""
    body_key: str = ""
    result_key: str = ""
    error_class: str = ""
    reason: str = ""
    callback_state: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    cost_micro_usd: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    reopened: bool = False


@dataclass(frozen=True, slots=True)
class Claimed:
    """Ours now, as this row says."""

    row: RequestRow


@dataclass(frozen=True, slots=True)
class AlreadyLive:
    """Another delivery is being worked on; its stored receipt handle was refreshed to the newer one."""

    row: RequestRow


@dataclass(frozen=True, slots=True)
class AlreadyFinal:
    """Answered (or rejected) before: only ack."""

    row: RequestRow


def decide_claim(present: RequestRow | None, wanted: RequestRow, now: datetime) -> Claimed | AlreadyLive | AlreadyFinal:
    """What a claim comes to, given the row as it stands; the row in the answer is what is to be written.

    A failed request is final if it has a result: then the partner was told. Without one it was a crash of ours.
    Deferred requests wait for nobody, and neither do crashed ones: no lease protects them. A message of another partner
    gets the row as it is, whatever its state: nobody takes over a request by knowing its id.
    """
    if present is None:
        return Claimed(replace(wanted, generation=1, reopened=False))
    if present.partner_id and wanted.partner_id != present.partner_id:
        return AlreadyFinal(present) if is_answered(present.state) or _is_closed(present) else AlreadyLive(present)
    if is_answered(present.state) or (_is_closed(present) and not present.reopened):
        return AlreadyFinal(present)
    waits = present.reopened or present.state in (RequestState.DEFERRED, RequestState.FAILED)
    if present.lease_until >= now and not waits:
        return AlreadyLive(_refreshed(present, wanted))
    return Claimed(
        replace(
            wanted,
            generation=present.generation + 1,
            reopened=False,
            body_key=wanted.body_key or present.body_key,
            cost_micro_usd=present.cost_micro_usd,
            input_tokens=present.input_tokens,
            output_tokens=present.output_tokens,
        )
    )


def _is_closed(row: RequestRow) -> bool:
    return row.state is RequestState.REJECTED or (row.state is RequestState.FAILED and bool(row.result_key))


def may_reopen(row: RequestRow) -> bool:
    """Whether a redrive opens it: it is closed and the partner has no answer from it."""
    return _is_closed(row)


def _refreshed(present: RequestRow, wanted: RequestRow) -> RequestRow:
    """The newer delivery's handle, since SQS forgot the older one; not that of an invalid message of the same id."""
    if wanted.state is RequestState.REJECTED:
        return present
    return replace(present, queue=wanted.queue, message_id=wanted.message_id, receipt_handle=wanted.receipt_handle)


class FencedError(Exception):
    """The row belongs to another owner or generation by now: stop, write nothing."""


class RequestStore(Protocol):
    """Status rows in DynamoDB; every write is conditional. Raises LedgerUnavailableError when it does not answer."""

    def claim(self, wanted: RequestRow, now: datetime) -> Claimed | AlreadyLive | AlreadyFinal:
        """Take the next generation of a request, unless it is final or its present owner's lease still runs.

        wanted.generation is ignored: 1 for a new request, else one more than before. wanted.state: received, or
        rejected to close an invalid request at once. What earlier generations cost stays in the row.
        """
        ...

    def update(
        self, request_id: str, owner: str, generation: int, state: RequestState | None = None, **fields: Any
    ) -> RequestRow:
        """Move to `state` if the transitions allow it, set other fields. Raises FencedError, TransitionError.

        fields are those of RequestRow, and `new_owner` to hand over. updated_at is now, unless given.
        """
        ...

    def reopen(self, request_id: str) -> bool:
        """Let the next claim have a rejected or failed request; False when there is nothing to open. Idempotent."""
        ...

    def set_callback_state(self, request_id: str, told: RequestState, callback_state: str) -> None:
        """Note what became of telling the partner that the request ended as `told`; sets nothing else.

        Needs no owner: days may have passed. Does nothing when the request is no longer in that state.
        """
        ...

    def get(self, request_id: str) -> RequestRow | None: ...

    def by_partner(self, partner_id: str, *, newest: int) -> list[RequestRow]:
        """Newest submission first; eventually consistent."""
        ...


@dataclass(frozen=True, slots=True)
class CallbackAnswer:
    """status: HTTP status of the receiver, 0 when there was none; problem: "" when it took the event."""

    status: int
    problem: str = ""


class CallbackSender(Protocol):
    """One signed POST: https, public address after resolution, no redirects, 10 s. Never raises for a bad receiver."""

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> CallbackAnswer: ...


class NotifierUnavailableError(Exception):
    """SNS did not take the message although the SDK retried; later it may."""


class Notifier(Protocol):
    """SNS."""

    def publish(self, topic_arn: str, subject: str, message: str, *, deduplication_id: str = "") -> None:
        """Raises NotifierUnavailableError; ConfigurationError when the topic is missing or closed to us.

        deduplication_id reaches subscribers as the attribute `event_id`, so that they can tell a repetition.
        """
        ...
