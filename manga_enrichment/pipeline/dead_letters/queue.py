"""Dead letters: how many, what they are and why, and putting a message there at once.

Belongs here: reading a dead letter whatever its body is, `depth`, `peek`, `reject`. Stays out: sending them back
(`redrive.py`), queues' names and rules (`domain/requests/queues.py`).

A message gets here in two ways. SQS moves it after three receives: its history is in the status row. `reject` sends it
at once, with the reason in its attributes. Nothing in a dead letter can be trusted: bodies may be anything, attributes
may be forged, and being unreadable is the commonest reason to be here.

Looking costs: SQS counts a peek as a receive and hides what was peeked at until it is released. There is no other way
to look; dead-letter queues have no receive limit, so the count alone does no harm.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.requests.asked_models import AliasOf, asked_alias
from manga_enrichment.domain.requests.queues import DEAD_LETTER_QUEUES, QUEUES, REQUEST_QUEUES
from manga_enrichment.domain.requests.reading.envelope import Envelope, parse_envelope
from manga_enrichment.domain.requests.reading.formats import is_utc_time, utc_time
from manga_enrichment.domain.requests.states import RequestState
from manga_enrichment.domain.text.shown import escaped
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.queue import Message, QueueDepth, RequestQueue
from manga_enrichment.gateways.requests import RequestStore

REASON = "dead_letter_reason"
EXPLANATION = "dead_letter_explanation"
ORIGINAL_QUEUE = "original_queue"
ORIGINAL_MESSAGE_ID = "original_message_id"
DEAD_LETTERED_AT = "dead_lettered_at"
OWN_ATTRIBUTES = frozenset({REASON, EXPLANATION, ORIGINAL_QUEUE, ORIGINAL_MESSAGE_ID, DEAD_LETTERED_AT})

TOO_MANY_RECEIVES = "too_many_receives"
"""Reason of what SQS moved itself and whose status row tells no error."""

MAX_PEEK = 500
_PREVIEW_CHARACTERS = 200
_MODEL_CHARACTERS = 80
_EXPLANATION_CHARACTERS = (30_000, 1000)  # all that is wrong, else its beginning: SQS bounds message and attributes
_PEEK_SECONDS = 30
_WAIT_SECONDS = 1  # asks all of SQS's servers; a short poll asks some and may see nothing


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A dead letter as far as it can be understood; what cannot be known is "" or None.

    age_seconds   since the request was sent; for FIFO and rejected messages since it came here
    error_class   of the status row; state is its state
    first_received_at   by a worker, else whoever received it first, which may have been a peek
    preview       the body's beginning, control characters escaped
    """

    message: Message
    request_id: str
    partner_id: str
    reason: str
    explanation: str
    error_class: str
    state: RequestState | None
    original_queue: str
    age_seconds: float
    preview: str
    first_received_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Peek:
    """Distinct messages that were seen, oldest first, and how many of them have each reason.

    unseen: about how many more there are; of a FIFO group no more than ten can be seen at a time.
    """

    queue: str
    letters: tuple[DeadLetter, ...]
    reasons: Mapping[str, int]
    unseen: int


class DeadLetters:
    """All over the two dead-letter queues."""

    def __init__(self, *, queues: RequestQueue, requests: RequestStore, clock: Clock) -> None:
        self._queues = queues
        self._requests = requests
        self._clock = clock

    def depth(self) -> dict[str, QueueDepth]:
        """By queue. Raises QueueUnavailableError; ConfigurationError when one is missing."""
        return {queue.name: self._queues.depth(queue.name) for queue in DEAD_LETTER_QUEUES}

    def peek(self, queue: str, *, limit: int = 50) -> Peek:
        """Look at up to `limit` messages (at most 500) and release them at once.

        Should this process die meanwhile, they are hidden for half a minute and no longer.
        """
        wanted = min(limit, MAX_PEEK)
        depth = self._queues.depth(queue)
        messages = self._queues.receive(
            queue, max_messages=wanted, wait_seconds=_WAIT_SECONDS, visibility_seconds=_PEEK_SECONDS
        )
        self._queues.extend(queue, [message.receipt_handle for message in messages], 0)
        distinct = {message.message_id: message for message in messages}.values()
        letters = sorted(map(self.read, distinct), key=lambda letter: letter.message.sent_at)
        reasons = Counter(letter.reason for letter in letters)
        unseen = depth.visible + depth.in_flight + depth.delayed - len(letters)
        return Peek(queue, tuple(letters), dict(reasons.most_common()), max(0, unseen))

    def read(self, message: Message) -> DeadLetter:
        """Never raises because of a message. Raises StoreUnavailableError."""
        parsed = parse_envelope(message.body)
        row = self._requests.get(parsed.request_id) if parsed.request_id else None
        error_class = row.error_class if row else ""
        rejected = "" if isinstance(parsed, Envelope) else parsed.reason.value
        return DeadLetter(
            message=message,
            request_id=parsed.request_id or "",
            partner_id=parsed.partner_id or escaped(message.group_id.partition(":")[0]),
            reason=escaped(message.attributes.get(REASON, "")) or rejected or error_class or TOO_MANY_RECEIVES,
            explanation=escaped(message.attributes.get(EXPLANATION, "")) or (row.reason if row else ""),
            error_class=error_class,
            state=row.state if row else None,
            original_queue=original_queue(message),
            age_seconds=_seconds_between(message.sent_at, self._clock.now()),
            preview=_preview(message.body),
            first_received_at=_earliest(message.first_received_at, row.claimed_at if row else None),
        )

    def reject(self, message: Message, reason: str, explanation: str = "") -> bool:
        """Dead-letter a received message now, with its reason; it never burns three receives.

        First sent, then deleted: interrupted in between, it comes again and is rejected again, never lost; on a FIFO
        queue the second copy is dropped. False when it has no room for the reason (SQS's size limit): then it was
        released, and SQS moves it after its three receives, byte for byte. Raises QueueUnavailableError.
        """
        target = QUEUES[message.queue].dead_letters
        if target is None:
            raise ValueError(f"{message.queue} is a dead-letter queue itself")
        attributes = {
            **message.attributes,
            REASON: reason,
            ORIGINAL_QUEUE: message.queue,
            ORIGINAL_MESSAGE_ID: message.message_id,
            DEAD_LETTERED_AT: self._clock.now().isoformat(timespec="seconds"),
        }
        once, group = f"rejected.{message.message_id}", message.group_id
        for characters in _EXPLANATION_CHARACTERS:
            told = {**attributes, EXPLANATION: escaped(explanation)[:characters]}
            try:
                self._queues.send(target, message.body, attributes=told, group_id=group, deduplication_id=once)
            except ValueError:
                continue
            self._queues.delete(message.queue, [message.receipt_handle])
            return True
        self._queues.extend(message.queue, [message.receipt_handle], 0)
        return False


def original_queue(message: Message) -> str:
    """Where a dead letter came from; "" when nothing believable tells. Attributes count only if they name a queue of
    ours that dead-letters to where the message is: a forged one must not move messages elsewhere.
    """
    named = (message.attributes.get(ORIGINAL_QUEUE, ""), message.source_queue)
    fitting = {queue.name for queue in REQUEST_QUEUES if queue.dead_letters == message.queue}
    return next((name for name in named if name in fitting), "")


def dead_lettered_at(message: Message) -> datetime | None:
    """When `reject` put it among the dead letters, to the second; None when it did not."""
    noted = message.attributes.get(DEAD_LETTERED_AT, "")
    return utc_time(noted) if is_utc_time(noted) else None


def _earliest(*moments: datetime | None) -> datetime | None:
    return min((each for each in moments if each is not None), default=None)


def models_asked(message: Message, analyses: Mapping[str, AnalysisType], alias_of: AliasOf) -> tuple[str, ...]:
    """Aliases of the models that a message asks for: its own, or those that its lane has for its analyses. Checked by
    nobody, it may hold anything; () where it is no request.
    """
    parsed = parse_envelope(message.body)
    body: Mapping[str, Any] = parsed.body if isinstance(parsed, Envelope) else {}
    named, items = body.get("model"), body.get("items")
    if isinstance(named, str):
        return (escaped(named[:_MODEL_CHARACTERS]),)
    asked = [each.get("analysis_type") for each in items if isinstance(each, dict)] if isinstance(items, list) else []
    known = {each for each in asked if isinstance(each, str)} & analyses.keys()
    return tuple(sorted({asked_alias(body, analyses[each], alias_of) for each in known}))


def _preview(body: str) -> str:
    shown = escaped(body[:_PREVIEW_CHARACTERS])
    return f"{shown}… ({len(body)} characters)" if len(body) > _PREVIEW_CHARACTERS else shown


def _seconds_between(earlier: datetime, later: datetime) -> float:
    return max(0.0, (later - earlier).total_seconds())
