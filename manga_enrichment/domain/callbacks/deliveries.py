"""One event on its way to one target: its states, when it is tried again, when that ends.

Belongs here: `Delivery` and what may become of it; pure, time and chance come in as arguments. Stays out: storing
(`aws/dynamodb/outbox.py`), sending (`pipeline/outbox/relay.py`).

    pending ── lease, try ──┬──► delivered ──┬──► told: the status row knows it as well
       ▲                    ├──► failed ─────┘      │
       └── pause ◄── no luck┘                       │
       └────────────── a person says: anew ◄────────┘ if it failed

Every change makes a new version, and a version is only ever replaced by its successor: of two workers with the same
delivery in hand one loses, and so does one that slept longer than its lease.
"""

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from manga_enrichment.domain.callbacks.events import Event
from manga_enrichment.domain.callbacks.mail import mail_values
from manga_enrichment.domain.requests.states import RequestState

MAX_ATTEMPTS = 8
FIRST_PAUSE_SECONDS = 15.0
PAUSE_FACTOR = 4.0
JITTER = 0.2
"""Pauses 15 s, 1 min, 4 min, 16 min, 64 min, 4.3 h, 17 h, each up to a fifth longer or shorter: about a day in all."""

LEASE = timedelta(seconds=60)
"""How long a worker may take for one try; a dead worker's delivery is due again after it."""

MAX_PROBLEM_CHARACTERS = 300
_TRANSIENT_STATUS = frozenset({408, 425, 429})


class Channel(StrEnum):
    """callback: https to the partner's URL; topic: SNS; email: SES."""

    CALLBACK = "callback"
    TOPIC = "topic"
    EMAIL = "email"


class DeliveryState(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class CallbackState(StrEnum):
    """What the status row of a request says about its callback; "" there when none was asked for."""

    PENDING = "callback_pending"
    DELIVERED = "callback_delivered"
    FAILED = "callback_failed"


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event for one target.

    delivery_id    the same for the same event and target
    request_state  what the event says the request ended as
    target         callback URL or topic ARN; a URL may hold a partner's secret, so it is not for logs
    due_at         when to look at it next; once told, when that was
    attempts       tries that came to an end; a try cut short by a crash is none
    status         HTTP status of the last try, 0 for none
    problem        why the last try did not do, "" when it did
    told           it ended, and whoever waits for its end on our side knows
    """

    delivery_id: str
    event_id: str
    event_type: str
    request_id: str
    partner_id: str
    request_state: RequestState
    channel: Channel
    target: str
    body: str
    created_at: datetime
    due_at: datetime
    state: DeliveryState = DeliveryState.PENDING
    attempts: int = 0
    status: int = 0
    problem: str = ""
    told: bool = False
    version: int = 1

    @property
    def receiver(self) -> str:
        """Who is behind the target, safe to show: the URL's host and port, the address's domain, or the topic."""
        if self.channel is Channel.EMAIL:
            return f"*@{self.target.rpartition('@')[2]}"
        return self.target.split("/", 3)[2].rpartition("@")[2] if "://" in self.target else self.target


def new_delivery(event: Event, channel: Channel, target: str, now: datetime) -> Delivery:
    """Due at once."""
    where = hashlib.sha256(f"{channel.value}\n{target}".encode()).hexdigest()[:16]
    return Delivery(
        delivery_id=f"{event.event_id}.{where}",
        event_id=event.event_id,
        event_type=event.type,
        request_id=event.request_id,
        partner_id=event.partner_id,
        request_state=event.state,
        channel=channel,
        target=target,
        body=_body_for(channel, event),
        created_at=now,
        due_at=now,
    )


def _body_for(channel: Channel, event: Event) -> str:
    if channel is Channel.EMAIL:
        return json.dumps(mail_values(event), sort_keys=True)
    return event.body(is_private=channel is Channel.CALLBACK)


def leased(delivery: Delivery, now: datetime) -> Delivery:
    """In a worker's hands: due again only if it is not heard of."""
    return _next(delivery, due_at=now + LEASE)


def delivered(delivery: Delivery, now: datetime, status: int = 0) -> Delivery:
    return _next(
        delivery,
        state=DeliveryState.DELIVERED,
        due_at=now + LEASE,
        attempts=delivery.attempts + 1,
        status=status,
        problem="",
    )


def told(delivery: Delivery, now: datetime) -> Delivery:
    """Nothing is left to do about it."""
    return _next(delivery, told=True, due_at=now)


def refused(delivery: Delivery, now: datetime, problem: str) -> Delivery:
    """Never sent, because we do not send there."""
    return _next(delivery, state=DeliveryState.FAILED, due_at=now + LEASE, problem=problem)


def postponed(delivery: Delivery, now: datetime, pause: timedelta, problem: str) -> Delivery:
    """Not tried now for a reason that is not its own; counts as no attempt. No pause: behind all that is due now."""
    return _next(delivery, due_at=now + pause, problem=problem)


def not_taken(delivery: Delivery, now: datetime, *, status: int, problem: str, jitter: float) -> Delivery:
    """Tried without success: due again after a pause, or failed for good. jitter is uniform in [0, 1)."""
    attempts = delivery.attempts + 1
    if attempts >= MAX_ATTEMPTS or is_lasting(status):
        state, due_at = DeliveryState.FAILED, now + LEASE
    else:
        state, due_at = DeliveryState.PENDING, now + timedelta(seconds=pause_seconds(attempts, jitter))
    return _next(delivery, state=state, due_at=due_at, attempts=attempts, status=status, problem=problem)


def anew(delivery: Delivery, now: datetime) -> Delivery:
    """Due at once, with all its tries before it. For one that failed and is told. The same event: the same id."""
    return _next(delivery, state=DeliveryState.PENDING, due_at=now, attempts=0, status=0, problem="", told=False)


def is_lasting(status: int) -> bool:
    """Whether a receiver's answer means that another try is of no use: 4xx, but for those that say "later"."""
    return 400 <= status < 500 and status not in _TRANSIENT_STATUS


def pause_seconds(attempts: int, jitter: float) -> float:
    """Pause after so many attempts. Jitter keeps events that failed together from coming back together."""
    return FIRST_PAUSE_SECONDS * PAUSE_FACTOR ** (attempts - 1) * (1 - JITTER + 2 * JITTER * jitter)


def _next(delivery: Delivery, *, problem: str | None = None, **changes: Any) -> Delivery:
    if problem is not None:
        changes["problem"] = problem[:MAX_PROBLEM_CHARACTERS]
    return replace(delivery, version=delivery.version + 1, **changes)
