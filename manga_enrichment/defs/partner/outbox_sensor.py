"""The sensor `outbox`: every few seconds it sends what is due, and says what it did. It starts no runs.

Why a sensor: a callback is a matter of milliseconds and a run costs seconds of CPU. Why no Dagster resources: a sensor
gets them anew at every tick, and the relay stays connected.

Belongs here: ticks, and the relay of production. Stays out: delivering (`pipeline/outbox/relay.py`).
"""

from collections.abc import Callable
from functools import cache

import dagster as dg

from manga_enrichment.aws.gateways import open_gateways
from manga_enrichment.defs.partner.settings import notification_policy
from manga_enrichment.pipeline.outbox.relay import DeliveryGateways, OutboxRelay
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
    given = open_gateways(settings, is_brief=True)
    gateways = DeliveryGateways(
        outbox=given.outbox,
        sender=given.callbacks,
        notifier=given.notifier,
        mailer=given.mailer,
        requests=given.requests,
        clock=given.clock,
        signing_key=signing_key(settings),
    )
    return OutboxRelay(gateways, notification_policy(settings))
