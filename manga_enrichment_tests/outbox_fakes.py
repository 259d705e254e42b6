"""Stand-ins for the outbox: deliveries in memory, a receiver that answers as told, and a world that has both."""

import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from manga_enrichment.domain.callbacks.deliveries import Delivery, DeliveryState
from manga_enrichment.domain.callbacks.events import Event
from manga_enrichment.domain.callbacks.signatures import SigningKey
from manga_enrichment.domain.requests.claims import Claimed, RequestRow
from manga_enrichment.domain.requests.states import RequestState
from manga_enrichment.gateways.notify import CallbackAnswer
from manga_enrichment.pipeline.outbox.announce import NotificationPolicy, OutboxWriter
from manga_enrichment.pipeline.outbox.relay import DeliveryGateways, DeliveryReport, OutboxRelay
from manga_enrichment_tests.fakes import START, FakeClock
from manga_enrichment_tests.request_fakes import MemoryNotifier, MemoryRequests

REQUEST_ID = "5f0c2f7e-9f2b-4d57-8c0e-2f4d9c1b7a10"
PARTNER = "acme"
URL = "https://hooks.acme.example/manga?token=very-private"
MASTER = SigningKey("1", "a master secret of forty characters ....")
PARTNER_TOPIC = "arn:aws:sns:ap-northeast-1:111122223333:acme"
RESULTS_TOPIC = "arn:aws:sns:ap-northeast-1:123456789012:manga-fm-results"
ALERTS_TOPIC = "arn:aws:sns:ap-northeast-1:123456789012:manga-fm-alerts"
TAKEN = CallbackAnswer(204)
SILENT = CallbackAnswer(0, "no answer within 10 s")


def ended(
    request_id: str = REQUEST_ID,
    state: RequestState = RequestState.COMPLETED,
    occurred_at: datetime = START,
    **more: Any,
) -> Event:
    """The end of one request."""
    return Event(request_id, PARTNER, "batch_analysis", state, occurred_at, **more)


class MemoryOutbox:
    """OutboxStore."""

    def __init__(self) -> None:
        self.deliveries: dict[str, Delivery] = {}
        self._lock = threading.Lock()

    def add(self, delivery: Delivery) -> bool:
        with self._lock:
            present = self.deliveries.get(delivery.delivery_id)
            if present is not None and not _is_given_up(present):
                return False
            self.deliveries[delivery.delivery_id] = delivery
            return True

    def add_all(self, deliveries: Sequence[Delivery]) -> set[str]:
        return {each.delivery_id for each in deliveries if self.add(each)}

    def due(self, now: datetime, limit: int) -> list[Delivery]:
        with self._lock:
            found = [each for each in self.deliveries.values() if not each.told and each.due_at <= now]
            return sorted(found, key=lambda each: each.due_at)[:limit]

    def replace(self, seen: Delivery, following: Delivery) -> bool:
        with self._lock:
            present = self.deliveries.get(seen.delivery_id)
            if present is None or (present.version, present.created_at) != (seen.version, seen.created_at):
                return False
            self.deliveries[seen.delivery_id] = following
            return True

    def replace_all(self, changes: Sequence[tuple[Delivery, Delivery]]) -> set[str]:
        return {seen.delivery_id for seen, following in changes if self.replace(seen, following)}

    def get(self, delivery_id: str) -> Delivery | None:
        return self.deliveries.get(delivery_id)

    def failed(self, *, newest: int) -> list[Delivery]:
        found = [each for each in self.deliveries.values() if _is_given_up(each)]
        return sorted(found, key=lambda each: each.due_at, reverse=True)[:newest]


def _is_given_up(delivery: Delivery) -> bool:
    return delivery.told and delivery.state is DeliveryState.FAILED


@dataclass(frozen=True, slots=True)
class Posted:
    url: str
    body: bytes
    headers: dict[str, str]
    at: datetime


class ScriptedReceiver:
    """CallbackSender. Answers by URL: the answers given for it one after the other, the last one for ever."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self.answers: dict[str, list[CallbackAnswer]] = defaultdict(lambda: [TAKEN])
        self.seconds_per_post = 0.0
        self.posted: list[Posted] = []

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> CallbackAnswer:
        with self._lock:
            self.posted.append(Posted(url, body, dict(headers), self._clock.now()))
            self._clock.advance(self.seconds_per_post)
            answers = self.answers[url]
            return answers.pop(0) if len(answers) > 1 else answers[0]


class MemoryMailer:
    """Mailer. refuses: raised instead of sending."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, dict[str, str]]] = []
        self.refuses: Exception | None = None

    def send(self, address: str, template: str, values: Mapping[str, str]) -> None:
        if self.refuses is not None:
            raise self.refuses
        self.sent.append((address, template, dict(values)))


@dataclass(slots=True)
class OutboxWorld:
    """All of it, wired. `policy` and `key` may be replaced before `outbox_writer` or `relay` is asked for."""

    clock: FakeClock = field(default_factory=FakeClock)
    outbox: MemoryOutbox = field(default_factory=MemoryOutbox)
    notifier: MemoryNotifier = field(default_factory=MemoryNotifier)
    mailer: MemoryMailer = field(default_factory=MemoryMailer)
    policy: NotificationPolicy = NotificationPolicy()  # noqa: RUF009 - frozen
    key: SigningKey | None = MASTER
    requests: MemoryRequests = field(init=False)
    receiver: ScriptedReceiver = field(init=False)

    def __post_init__(self) -> None:
        self.requests = MemoryRequests(self.clock)
        self.receiver = ScriptedReceiver(self.clock)

    @property
    def outbox_writer(self) -> OutboxWriter:
        return OutboxWriter(self.outbox, self.clock, self.policy)

    def relay(self, jitter: float = 0.5, **replaced: Any) -> OutboxRelay:
        gateways = {
            "outbox": self.outbox,
            "sender": self.receiver,
            "notifier": self.notifier,
            "mailer": self.mailer,
            "requests": self.requests,
            "clock": self.clock,
            "signing_key": self.key,
            **replaced,
        }
        return OutboxRelay(DeliveryGateways(**gateways), self.policy, lambda: jitter)

    def deliver(self, limit: int = 500) -> DeliveryReport:
        return self.relay().deliver_due(limit)

    def pass_time(self, **duration: float) -> None:
        self.clock.advance(timedelta(**duration).total_seconds())

    def settle(self, request_id: str = REQUEST_ID, state: RequestState = RequestState.COMPLETED) -> None:
        """The status row of a request that ended so."""
        now = self.clock.now()
        claimed = self.requests.claim(
            RequestRow(
                request_id=request_id,
                partner_id=PARTNER,
                schema="batch_analysis",
                state=RequestState.RECEIVED,
                generation=0,
                owner="run",
                queue="manga-fm-normal",
                message_id="message",
                receipt_handle="handle",
                submitted_at=now,
                updated_at=now,
                lease_until=now,
            ),
            now,
        )
        assert isinstance(claimed, Claimed)
        for each in (RequestState.PROCESSING, state):
            self.requests.update(request_id, "run", claimed.row.generation, each, callback_state="callback_pending")

    def callback_state(self, request_id: str = REQUEST_ID) -> str:
        row = self.requests.get(request_id)
        assert row is not None
        return row.callback_state

    @property
    def only(self) -> Delivery:
        """The one delivery there is."""
        (delivery,) = self.outbox.deliveries.values()
        return delivery
