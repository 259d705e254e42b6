"""Deliveries that failed for good: which they are, and sending them once more when a person says so.

Belongs here: choosing among failed deliveries and opening them again. Stays out: sending (`relay.py`), which the
sensor `outbox` does at its next tick.

The status row is set back to pending first, then the delivery is opened: the other way round, a fast sensor could note
the end before we note the beginning. Cut between the two, the delivery is still listed as failed and can be retried.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from manga_enrichment.domain.callbacks.deliveries import CallbackState, Channel, Delivery, anew
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.outbox import OutboxStore
from manga_enrichment.gateways.requests import RequestStore

MOST_LOOKED_AT = 1000
"""The latest ones; an answer of DynamoDB holds 1 MB, which is about as many."""


@dataclass(frozen=True, slots=True)
class FailedFilter:
    """What is given must all fit; nothing given: every failed delivery."""

    partners: frozenset[str] = frozenset()
    request_ids: frozenset[str] = frozenset()

    def takes(self, delivery: Delivery) -> bool:
        return (not self.partners or delivery.partner_id in self.partners) and (
            not self.request_ids or delivery.request_id in self.request_ids
        )


def failed_deliveries(outbox: OutboxStore, wanted: FailedFilter, *, limit: int) -> list[Delivery]:
    """The latest first, of the MOST_LOOKED_AT latest. Raises StoreUnavailableError."""
    return [each for each in outbox.failed(newest=MOST_LOOKED_AT) if wanted.takes(each)][:limit]


def retry(
    deliveries: Iterable[Delivery], *, outbox: OutboxStore, requests: RequestStore, clock: Clock
) -> list[Delivery]:
    """Make failed deliveries due again; returns those that are. One that changed meanwhile is left alone.

    Raises StoreUnavailableError; repeat it then.
    """
    opened = []
    for delivery in deliveries:
        if delivery.channel is Channel.CALLBACK and delivery.request_id:
            requests.set_callback_state(delivery.request_id, delivery.request_state, CallbackState.PENDING.value)
        if outbox.replace(delivery, anew(delivery, clock.now())):
            opened.append(delivery)
    return opened
