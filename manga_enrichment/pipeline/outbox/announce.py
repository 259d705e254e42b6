"""Announcing: the end of a request is written down for everyone who is to hear of it, before anything is sent.

Belongs here: who is told of what, and where we send at all. Stays out: sending (`relay.py`).

For whoever settles a request, the order that loses nothing:

1. the fenced status write with the final state and `callback_state = callback_pending`;
2. `put` the `deliveries`, for as many requests as are acked together;
3. ack.

Killed between 1 and 2, the message is delivered again and its request is found final: announce again if the row still
says `callback_pending`, then ack. Announcing twice is harmless, since a delivery's id depends on event and target.
Announcing before 1 is not: a worker that lost its lease would tell of an end that never was.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from manga_enrichment.domain.callbacks.deliveries import Channel, Delivery, new_delivery
from manga_enrichment.domain.callbacks.events import Event
from manga_enrichment.domain.requests.callback_urls import callback_problem, is_loopback_callback
from manga_enrichment.domain.requests.policies import NO_POLICIES, PartnerPolicies
from manga_enrichment.domain.requests.states import RequestState
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.outbox import OutboxStore

RESULTS_PATH = "/v1/manga/results/"
_ALERTING = frozenset({RequestState.REJECTED, RequestState.FAILED})


@dataclass(frozen=True, slots=True)
class NotificationPolicy:
    """What our settings say about telling others.

    allowed_topics   ARNs that a partner may name
    results_topic    ARN that hears of every end; "": none. Partners' own are named after it
    partners         whose policies say who has one, and who gets mail
    sends_mail       whether there is an address that mail comes from
    alerts_topic     ARN that hears of rejected and failed requests; "": none
    allow_loopback   callbacks may go to this machine: the local stack
    api_url          of the request front, which hands out results; "": unknown
    """

    allowed_topics: frozenset[str] = frozenset()
    results_topic: str = ""
    alerts_topic: str = ""
    allow_loopback: bool = False
    api_url: str = ""
    partners: PartnerPolicies = NO_POLICIES
    sends_mail: bool = False

    def own_topic(self, partner_id: str) -> str:
        """Of this partner alone; "" where there is none."""
        has_one = bool(partner_id and self.results_topic) and self.partners.of(partner_id).results_topic
        return f"{self.results_topic}-{partner_id}" if has_one else ""

    def may_mail(self, partner_id: str, address: str) -> bool:
        return self.sends_mail and self.partners.of(partner_id).may_mail(address)

    def refusal(self, delivery: Delivery) -> str:
        """Why this delivery is never sent; "" when it may be. Asked before each try: settings may have changed."""
        if delivery.channel is Channel.EMAIL:
            return (
                "" if self.may_mail(delivery.partner_id, delivery.target) else "the policy does not allow the address"
            )
        if delivery.channel is Channel.TOPIC:
            ours = (self.results_topic, self.alerts_topic, self.own_topic(delivery.partner_id))
            known = {*self.allowed_topics, *ours} - {""}
            return "" if delivery.target in known else "the topic is not one of MANGA_SNS_TOPICS_ALLOWED"
        if self.allow_loopback and is_loopback_callback(delivery.target):
            return ""
        problem = callback_problem(delivery.target)
        return f"the callback URL {problem}" if problem else ""


class OutboxWriter:
    """Writes deliveries into the outbox."""

    def __init__(self, outbox: OutboxStore, clock: Clock, policy: NotificationPolicy) -> None:
        self._outbox = outbox
        self._clock = clock
        self._policy = policy

    def announce(self, event: Event, *, callback_url: str = "", topic_arn: str = "", email: str = "") -> list[Delivery]:
        """Put one event down. Raises StoreUnavailableError: do not ack then."""
        deliveries = self.deliveries(event, callback_url=callback_url, topic_arn=topic_arn, email=email)
        self.put(deliveries)
        return deliveries

    def put(self, deliveries: Sequence[Delivery]) -> None:
        """Of any events. Raises StoreUnavailableError: do not ack then."""
        if deliveries:
            self._outbox.add_all(deliveries)

    def deliveries(
        self, event: Event, *, callback_url: str = "", topic_arn: str = "", email: str = ""
    ) -> list[Delivery]:
        """Those of the event to the partner's URL, topic and address ("": none) and to our own topics.

        A target that is not allowed is among them: the delivery then ends as failed, with the reason, where people
        look for it.
        """
        now = self._clock.now()
        if event.result and self._policy.api_url:
            event = replace(event, results_url=f"{self._policy.api_url}{RESULTS_PATH}{event.request_id}")
        targets = dict.fromkeys(self._targets(event, callback_url, topic_arn))
        if email and self._policy.sends_mail:  # else the request was warned that nobody gets any
            targets[Channel.EMAIL, email] = None
        return [new_delivery(event, channel, target, now) for channel, target in targets]

    def _targets(self, event: Event, callback_url: str, topic_arn: str) -> Iterator[tuple[Channel, str]]:
        if callback_url:
            yield Channel.CALLBACK, callback_url
        alerts = self._policy.alerts_topic if event.state in _ALERTING else ""
        for topic in (topic_arn, self._policy.own_topic(event.partner_id), self._policy.results_topic, alerts):
            if topic:
                yield Channel.TOPIC, topic
