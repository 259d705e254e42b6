"""The sensor `outbox`: every few seconds it sends what is due, and says what it did. It starts no runs.

Why a sensor: a callback is a matter of milliseconds and a run costs seconds of CPU. Why no Dagster resources: their
configuration is stored with the instance and shown in the UI, and one of these values signs our callbacks.
"""

from collections.abc import Callable
from functools import cache

import dagster as dg

from manga_enrichment.aws.callbacks import HttpsCallbacks
from manga_enrichment.aws.clients import AwsClients
from manga_enrichment.aws.dynamodb_outbox import DynamoDBOutbox
from manga_enrichment.aws.dynamodb_requests import DynamoDBRequests
from manga_enrichment.aws.notify import SnsNotifier
from manga_enrichment.pipeline.outbox.announce import NotificationPolicy
from manga_enrichment.pipeline.outbox.relay import DeliveryGateways, OutboxRelay
from manga_enrichment.runtime.clock import SystemClock
from manga_enrichment.settings import Settings, signing_key

OUTBOX_SENSOR = "outbox"
INTERVAL_SECONDS = 10
DELIVERIES_PER_TICK = 500
"""Some 600 KB read at once; what a tick has no time for goes to the back of the queue."""


def build_outbox_sensor(
    settings: Settings, open_relay: Callable[[Settings], OutboxRelay] | None = None
) -> dg.SensorDefinition:
    """Running by default. Connects at its first tick, and stays connected."""

    @cache
    def relay() -> OutboxRelay:
        return (open_relay or connected_relay)(settings)

    @dg.sensor(
        name=OUTBOX_SENSOR,
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Send callbacks and notifications that are due; the skip reason says what was done. No runs.",
    )
    def outbox(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        report = relay().deliver_due(DELIVERIES_PER_TICK)
        for note in report.notes:
            context.log.warning(note)
        return dg.SkipReason(". ".join([report.sentence(), *report.notes]))

    return outbox


def connected_relay(settings: Settings) -> OutboxRelay:
    """Raises ConfigurationError when region or credentials are missing."""
    clients, clock = AwsClients(), SystemClock()
    gateways = DeliveryGateways(
        outbox=DynamoDBOutbox(clients.dynamodb, table=settings.outbox_table),
        sender=HttpsCallbacks(allow_loopback=settings.callback_allow_loopback),
        notifier=SnsNotifier(clients.sns),
        requests=DynamoDBRequests(clients.dynamodb, clock, table=settings.status_table),
        clock=clock,
        signing_key=signing_key(settings),
    )
    return OutboxRelay(gateways, notification_policy(settings))


def notification_policy(settings: Settings) -> NotificationPolicy:
    return NotificationPolicy(
        allowed_topics=frozenset(settings.sns_topics_allowed),
        results_topic=settings.results_topic_arn,
        alerts_topic=settings.alerts_topic_arn,
        allow_loopback=settings.callback_allow_loopback,
    )
