"""Delivering: what is due in the outbox is sent, within the time of one sensor tick.

Belongs here: leases, order, time limits, what follows from an answer. Stays out: HTTP and SNS (`aws/`), when a delivery
is due and when it has failed (`domain/callbacks/deliveries.py`).

Each step may be the last one before a kill -9:

    lease          the delivery is due again when the lease is over; no try was counted
    send           the receiver may hear it a second time, with the same event id
    settle         only by the holder of the lease; a worker that slept through it changes nothing
    status row     written again by the next tick, without another try
    told           done

What goes to a topic takes these steps ten at a time: nobody waits for a partner there.

One receiver must not hold up the others. Each has a few lanes at most; when one gives no answer at all, the rest of
what is meant for it waits a minute; what a tick had no time for goes to the back of the queue.
"""

import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from functools import partial
from itertools import chain, zip_longest

from manga_enrichment.domain.callbacks.deliveries import (
    CallbackState,
    Channel,
    Delivery,
    DeliveryState,
    delivered,
    leased,
    not_taken,
    postponed,
    refused,
    told,
)
from manga_enrichment.domain.callbacks.mail import TEMPLATE_OF
from manga_enrichment.domain.callbacks.signatures import SigningKey, partner_signing_key, signed_headers
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.errors import NotifierUnavailableError
from manga_enrichment.gateways.notify import CallbackAnswer, CallbackSender, Mailer, Notification, Notifier
from manga_enrichment.gateways.outbox import OutboxStore
from manga_enrichment.gateways.requests import RequestStore
from manga_enrichment.pipeline.outbox.announce import NotificationPolicy

START_SECONDS = 8.0
"""No try begins later in a tick: with the 10 s a receiver has and the writes around them, 20 s are kept."""

WORKERS = 16
LANES_PER_RECEIVER = 4
TOGETHER = 10
"""Deliveries to one topic in hand at once: what one call to SNS takes."""
SILENCE_PAUSE = timedelta(minutes=1)
UNSIGNED_PAUSE = timedelta(minutes=5)

_UNSIGNED = "callbacks are never sent unsigned: set MANGA_CALLBACK_SECRET"
_SILENT = "the receiver gave no answer to an event before this one"
_CALLBACK_STATES = {
    DeliveryState.DELIVERED: CallbackState.DELIVERED,
    DeliveryState.FAILED: CallbackState.FAILED,
}


class Handled(StrEnum):
    """What a tick did with one delivery. taken: another worker has it; left: the tick was over."""

    DELIVERED = "delivered"
    RETRY = "to be tried again"
    FAILED = "failed for good"
    POSTPONED = "postponed"
    TAKEN = "taken by another worker"
    LEFT = "left for later"
    TOLD = "told to their status rows"


@dataclass(slots=True)
class DeliveryReport:
    """counts by what was done; notes: one line for each failure, without URLs."""

    counts: Counter[Handled] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def sentence(self) -> str:
        """For the tick's page."""
        if not self.counts:
            return "nothing is due"
        return ", ".join(f"{self.counts[each]} {each.value}" for each in Handled if self.counts[each])


@dataclass(frozen=True, slots=True)
class DeliveryGateways:
    """All that delivering talks to. signing_key None: callbacks wait until there is one."""

    outbox: OutboxStore
    sender: CallbackSender
    notifier: Notifier
    requests: RequestStore
    clock: Clock
    signing_key: SigningKey | None
    mailer: Mailer


@dataclass(slots=True)
class _Tick:
    ends_at_seconds: float
    silent: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)

    def note(self, sentence: str) -> None:
        if sentence not in self.notes:
            self.notes.append(sentence)


@dataclass(frozen=True, slots=True)
class _Wait:
    handled: Handled
    pause: timedelta
    problem: str = ""


class OutboxRelay:
    """Sends what is due. Several may work on one outbox."""

    def __init__(
        self,
        gateways: DeliveryGateways,
        policy: NotificationPolicy,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """jitter gives uniform numbers in [0, 1)."""
        self._to = gateways
        self._policy = policy
        self._jitter = jitter

    def deliver_due(self, limit: int) -> DeliveryReport:
        """Send up to `limit` due deliveries; no try begins after START_SECONDS.

        Raises StoreUnavailableError when DynamoDB does not answer; what was in hand is due again after its lease.
        """
        clock = self._to.clock
        tick = _Tick(clock.monotonic_seconds() + START_SECONDS)
        lanes = _lanes(self._to.outbox.due(clock.now(), limit))
        report = DeliveryReport(notes=tick.notes)
        if lanes:
            with ThreadPoolExecutor(min(WORKERS, len(lanes)), thread_name_prefix="outbox") as workers:
                for counts in workers.map(partial(self._work, tick), lanes):
                    report.counts.update(counts)
        return report

    def _work(self, tick: _Tick, lane: Sequence[Delivery]) -> Counter[Handled]:
        done: Counter[Handled] = Counter()
        for delivery in lane:
            if _is_over(delivery):
                done[self._tell(delivery)] += 1
        waiting = [each for each in lane if not _is_over(each)]
        while waiting:
            together = TOGETHER if waiting[0].channel is Channel.TOPIC else 1
            some, waiting = waiting[:together], waiting[together:]
            if wait := self._reason_to_wait(tick, some[0]):
                done.update(self._postpone(each, wait) for each in some)
            else:
                done.update(self._handle(tick, some))
        return done

    def _handle(self, tick: _Tick, deliveries: Sequence[Delivery]) -> list[Handled]:
        """Of one receiver."""
        leases = [(each, leased(each, self._to.clock.now())) for each in deliveries]
        held = self._to.outbox.replace_all(leases)
        in_hand = [lease for _, lease in leases if lease.delivery_id in held]
        settled = self._tried(in_hand)
        now = self._to.clock.now()
        ends = [told(each, now) if _is_over(each) and not _has_row(each) else each for each in settled]
        kept = self._to.outbox.replace_all(list(zip(in_hand, ends, strict=True))) if in_hand else set()
        handled = [Handled.TAKEN] * (len(deliveries) - len(kept))
        if settled and not any(_is_over(each) or each.status for each in settled):
            tick.silent.add(settled[0].receiver)
        for each in settled:
            if each.delivery_id in kept:
                if _is_over(each) and _has_row(each):
                    self._tell(each)
                handled.append(_handled(tick, each))
        return handled

    def _reason_to_wait(self, tick: _Tick, delivery: Delivery) -> _Wait | None:
        if delivery.receiver in tick.silent:
            return _Wait(Handled.POSTPONED, SILENCE_PAUSE, _SILENT)
        if self._to.clock.monotonic_seconds() >= tick.ends_at_seconds:
            return _Wait(Handled.LEFT, timedelta(0))
        if delivery.channel is Channel.CALLBACK and self._to.signing_key is None:
            tick.note(_UNSIGNED)
            return _Wait(Handled.POSTPONED, UNSIGNED_PAUSE, _UNSIGNED)
        return None

    def _postpone(self, delivery: Delivery, wait: _Wait) -> Handled:
        later = postponed(delivery, self._to.clock.now(), wait.pause, wait.problem or delivery.problem)
        return wait.handled if self._to.outbox.replace(delivery, later) else Handled.TAKEN

    def _tried(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """The deliveries as they stand after one try."""
        refusals = [self._policy.refusal(each) for each in deliveries]
        allowed = [each for each, refusal in zip(deliveries, refusals, strict=True) if not refusal]
        answers = iter(self._sent(allowed))
        return [
            refused(each, self._to.clock.now(), refusal) if refusal else self._answered(each, next(answers))
            for each, refusal in zip(deliveries, refusals, strict=True)
        ]

    def _sent(self, deliveries: Sequence[Delivery]) -> list[CallbackAnswer]:
        """Of one receiver; what it said to each."""
        if deliveries and deliveries[0].channel is Channel.TOPIC:
            told_of = [Notification(each.event_type, each.body, each.event_id) for each in deliveries]
            problems = self._to.notifier.publish_all(deliveries[0].target, told_of)
            return [CallbackAnswer(0, problem) for problem in problems]
        return [self._mail(each) if each.channel is Channel.EMAIL else self._post(each) for each in deliveries]

    def _answered(self, delivery: Delivery, answer: CallbackAnswer) -> Delivery:
        now = self._to.clock.now()
        if not answer.problem:
            return delivered(delivery, now, answer.status)
        return not_taken(delivery, now, status=answer.status, problem=answer.problem, jitter=self._jitter())

    def _post(self, delivery: Delivery) -> CallbackAnswer:
        if self._to.signing_key is None:
            return CallbackAnswer(0, _UNSIGNED)
        body = delivery.body.encode()
        key = partner_signing_key(self._to.signing_key, delivery.partner_id)
        headers = {"Content-Type": "application/json", **signed_headers(key, body, self._to.clock.now())}
        return self._to.sender.post(delivery.target, body, headers)

    def _mail(self, delivery: Delivery) -> CallbackAnswer:
        try:
            self._to.mailer.send(delivery.target, TEMPLATE_OF[delivery.event_type], json.loads(delivery.body))
        except (NotifierUnavailableError, ConfigurationError) as error:
            return CallbackAnswer(0, str(error) or type(error).__name__)
        return CallbackAnswer(0)

    def _tell(self, delivery: Delivery) -> Handled:
        """The status row learns how its callback ended; after that there is nothing left to do."""
        if _has_row(delivery):
            state = _CALLBACK_STATES[delivery.state]
            self._to.requests.set_callback_state(delivery.request_id, delivery.request_state, state.value)
        self._to.outbox.replace(delivery, told(delivery, self._to.clock.now()))
        return Handled.TOLD


def _is_over(delivery: Delivery) -> bool:
    return delivery.state is not DeliveryState.PENDING


def _has_row(delivery: Delivery) -> bool:
    """Whether a status row is to learn of its end."""
    return delivery.channel is Channel.CALLBACK and bool(delivery.request_id)


def _handled(tick: _Tick, settled: Delivery) -> Handled:
    if settled.state is DeliveryState.DELIVERED:
        return Handled.DELIVERED
    if settled.state is DeliveryState.PENDING:
        return Handled.RETRY
    tick.note(
        f"{settled.event_type} of request {settled.request_id or '(none)'} to {settled.receiver} failed for good "
        f"after {settled.attempts} tries: {settled.problem}"
    )
    return Handled.FAILED


def _lanes(deliveries: Sequence[Delivery]) -> list[list[Delivery]]:
    """Up to LANES_PER_RECEIVER for each receiver; the first lane of each comes before the second of any."""
    by_receiver: dict[str, list[Delivery]] = defaultdict(list)
    for delivery in deliveries:
        by_receiver[delivery.receiver].append(delivery)
    lanes_of = [
        [own[start::LANES_PER_RECEIVER] for start in range(min(LANES_PER_RECEIVER, len(own)))]
        for own in by_receiver.values()
    ]
    return [lane for lane in chain.from_iterable(zip_longest(*lanes_of)) if lane]
