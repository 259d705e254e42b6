"""SQS by queue name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Message:
    """One delivery. receive_count includes this one; attributes are the message attributes as strings.

    deduplication_id: of FIFO queues. first_received_at: as far as SQS knows. source_queue: on a dead-letter queue,
    where SQS moved it from after too many receives; "" for what was sent there.
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
    first_received_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """Approximate numbers, as SQS gives them."""

    visible: int
    in_flight: int
    delayed: int


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
