"""The one table of queues, and where a request goes.

Belongs here: names, times, dead-letter rules, routing, message groups. Stays out: sending and receiving
(`aws/sqs.py`), the template that creates the queues (`infra/queues.yaml`; a test holds it to this table).

Standard queues are *fair*: with the partner as message group, a partner with a long backlog does not delay the others.
FIFO queues keep the order within a group: a session, or a user where there is no session.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from manga_enrichment.domain.requests.reading.envelope import MAX_MESSAGE_BYTES
from manga_enrichment.domain.requests.schemas import BATCH, QUOTE

MAX_RECEIVES = 3

DEAD_LETTERS = "manga-fm-dlq"
DEAD_LETTERS_FIFO = "manga-fm-dlq.fifo"


@dataclass(frozen=True, slots=True)
class Queue:
    """One queue.

    visibility_seconds   how long a received message stays hidden unless its lease is renewed
    retention_days       how long a message waits before SQS drops it
    use                  what waits in it, as docs/api.md says it
    dead_letters         queue for messages received max_receives times; None for a dead-letter queue itself
    """

    name: str
    visibility_seconds: int
    retention_days: int
    use: str
    dead_letters: str | None = None
    max_receives: int | None = None

    @property
    def is_fifo(self) -> bool:
        return self.name.endswith(".fifo")


def _requests(name: str, visibility_seconds: int, retention_days: int, use: str) -> Queue:
    dead_letters = DEAD_LETTERS_FIFO if name.endswith(".fifo") else DEAD_LETTERS
    return Queue(name, visibility_seconds, retention_days, use, dead_letters, MAX_RECEIVES)


HIGH_PRIORITY = _requests("manga-fm-high-priority", 60, 4, "urgent batches, and questions about prices")
NORMAL = _requests("manga-fm-normal", 120, 7, "batches without a wish")
LOW_PRIORITY = _requests("manga-fm-low-priority", 300, 14, "batches that can wait: fewer and larger runs")
ORDERED = _requests("manga-fm-ordered.fifo", 60, 7, "questions of a user without a session, in order per user")
SESSION = _requests("manga-fm-session.fifo", 60, 4, "questions and chats of a session or conversation, in order")

REQUEST_QUEUES = (HIGH_PRIORITY, NORMAL, LOW_PRIORITY, ORDERED, SESSION)
"""Standard queues first, by priority."""

RESIDENT_LANES: Mapping[str, tuple[Queue, ...]] = MappingProxyType(
    {"urgent": (HIGH_PRIORITY,), "conversations": (ORDERED, SESSION)}
)
"""Queues whose requests somebody waits for: worked at by runs that stay, which serve a lane's queues together."""

DEAD_LETTER_QUEUES = (
    Queue(DEAD_LETTERS, 30, 14, "what the first three could not end, for people to look at and send back"),
    Queue(DEAD_LETTERS_FIFO, 30, 14, "the same of the two in order"),
)
QUEUES: Mapping[str, Queue] = MappingProxyType({queue.name: queue for queue in (*REQUEST_QUEUES, *DEAD_LETTER_QUEUES)})

BY_PRIORITY: Mapping[str, Queue] = MappingProxyType({"high": HIGH_PRIORITY, "normal": NORMAL, "low": LOW_PRIORITY})


@dataclass(frozen=True, slots=True)
class Route:
    """Where to send a request and how.

    message_group_id   at most 128 characters for SQS: a partner id (63), a colon and a session or user id (64) just fit
    deduplication_id   equal for repeated sends of one request; for FIFO queues, otherwise None
    """

    queue: Queue
    message_group_id: str
    deduplication_id: str | None


def route(schema: str, body: Mapping[str, Any], *, partner_id: str, request_id: str) -> Route:
    """The route of a valid, normalised body.

    A batch goes by its priority, a quote of one to those that somebody waits for. A conversation goes to the queue of
    sessions, without a session but with a user to the queue of users, with neither it is a session of its own. Groups
    carry the partner: partners may use the same ids.
    """
    if schema == QUOTE:
        return Route(HIGH_PRIORITY, partner_id, None)
    if schema == BATCH:
        return Route(BY_PRIORITY[body["priority"]], partner_id, None)
    session, user = session_of(schema, body), body.get("context", {}).get("user_id")
    queue = ORDERED if session is None and user is not None else SESSION
    group = f"{partner_id}:{session or user or request_id}"
    return Route(queue, group, request_id)


def session_of(schema: str, body: Mapping[str, Any]) -> str | None:
    """What the requests of one conversation share: `conversation_id`, else the session; None for a single request."""
    if schema == "streaming_chat":
        named: str | None = body.get("session_id")
    else:
        named = body.get("conversation_id") or body.get("context", {}).get("session_id")
    return named


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
