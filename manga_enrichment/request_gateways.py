"""Protocols of the request lane: queues, the states of requests, notifications.

`gateways.py` has those of the enrichment itself. `aws/` implements both, tests have fakes, one contract suite runs
against each pair.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from manga_enrichment.domain.status import RequestState


@dataclass(frozen=True, slots=True)
class Message:
    """One delivery. receive_count includes this one; attributes are the message attributes as strings."""

    queue: str
    message_id: str
    receipt_handle: str
    body: str
    receive_count: int
    sent_at: datetime
    group_id: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """Approximate numbers, as SQS gives them."""

    visible: int
    in_flight: int
    delayed: int


class QueueUnavailableError(Exception):
    """SQS did not answer although the SDK retried."""


class RequestQueue(Protocol):
    """SQS by queue name. All methods raise QueueUnavailableError."""

    def receive(
        self, queue: str, *, max_messages: int, wait_seconds: int, visibility_seconds: int | None = None
    ) -> list[Message]:
        """Up to max_messages (also above SQS's 10 a call); visibility None: the queue's own."""
        ...

    def extend(self, queue: str, receipt_handles: Sequence[str], seconds: int) -> set[str]:
        """Hide messages for `seconds` from now; 0 releases them. Returns the handles whose lease is lost."""
        ...

    def delete(self, queue: str, receipt_handles: Sequence[str]) -> set[str]:
        """Ack. Returns the handles that could not be deleted because their lease is lost."""
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
        """Returns the message id."""
        ...

    def depth(self, queue: str) -> QueueDepth: ...


@dataclass(frozen=True, slots=True)
class RequestRow:
    """The status row of one request. owner and generation fence every write after the claim.

    lease_until: the owner is taken for alive until then. body_key: object with the validated request. Timestamps UTC.
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


class FencedError(Exception):
    """The row belongs to another owner or generation by now: stop, write nothing."""


class RequestStore(Protocol):
    """Status rows in DynamoDB; every write is conditional. Raises LedgerUnavailableError when it does not answer."""

    def claim(self, wanted: RequestRow, now: datetime) -> Claimed | AlreadyLive | AlreadyFinal:
        """Take the next generation of a request, unless it is final or its present owner's lease still runs.

        wanted.generation is ignored: 1 for a new request, else one more than before.
        """
        ...

    def update(
        self, request_id: str, owner: str, generation: int, state: RequestState | None = None, **fields: Any
    ) -> RequestRow:
        """Move to `state` if the transitions allow it, set other fields. Raises FencedError, TransitionError."""
        ...

    def get(self, request_id: str) -> RequestRow | None: ...

    def by_partner(self, partner_id: str, *, newest: int) -> list[RequestRow]: ...


@dataclass(frozen=True, slots=True)
class CallbackAnswer:
    """status: HTTP status of the receiver, 0 when there was none; problem: "" when it took the event."""

    status: int
    problem: str = ""


class CallbackSender(Protocol):
    """One signed POST: https, public address after resolution, no redirects, 10 s. Never raises for a bad receiver."""

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> CallbackAnswer: ...


class Notifier(Protocol):
    """SNS."""

    def publish(self, topic_arn: str, subject: str, message: str, *, deduplication_id: str = "") -> None: ...
