"""The sensor `alerts`: failed runs and checks go to the alerts topic, once per incident, and once when it is over.

Why not Dagster's run failure sensors: they move on when a message could not be sent, and see failures without the
successes that end them. This one goes back to the first run it could not tell of, and keeps open incidents in its
cursor, which Dagster stores together with the tick.
"""

import json
from typing import Any

import dagster as dg

from manga_enrichment.defs.operations.finished_runs import FOR_ALERTS, finished_after, latest_end, signals_of
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.operations.incidents import Alert, Incidents
from manga_enrichment.gateways.errors import NotifierUnavailableError
from manga_enrichment.gateways.notify import Notifier
from manga_enrichment.settings import Settings

ALERT_SENSOR = "alerts"
INTERVAL_SECONDS = 30


def build_alert_sensor(settings: Settings) -> dg.SensorDefinition:
    """Running by default; without MANGA_ALERTS_TOPIC_ARN alerts are only to be seen on the page of the sensor."""

    @dg.sensor(
        name=ALERT_SENSOR,
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tell the alerts topic of failed runs and checks, and when they work again. Starts no runs.",
    )
    def alerts(context: dg.SensorEvaluationContext, notifier: dg.ResourceParam[Notifier]) -> dg.SensorResult:
        state = _read(context, settings)
        said: list[str] = []
        for finished in finished_after(context.instance, state.storage_id, FOR_ALERTS):
            following = _State(finished.storage_id, Incidents(settings.dagster_url, state.incidents.open))
            due = [alert for signal in signals_of(finished) for alert in following.incidents.after(signal)]
            try:
                for alert in due:
                    _publish(notifier, settings.alerts_topic_arn, alert)
            except (NotifierUnavailableError, ConfigurationError) as error:
                context.log.warning(f"{len(due)} alerts wait for the next tick: {error}")
                break
            said += (alert.subject for alert in due)
            state = following
        for sentence in said:
            context.log.info(sentence)
        return dg.SensorResult(cursor=state.as_cursor(), skip_reason=dg.SkipReason("; ".join(said) or state.summary()))

    return alerts


class _State:
    """What the cursor holds."""

    def __init__(self, storage_id: int, incidents: Incidents) -> None:
        self.storage_id = storage_id
        self.incidents = incidents

    def as_cursor(self) -> str:
        return json.dumps({"storage_id": self.storage_id, "incidents": self.incidents.as_document()})

    def summary(self) -> str:
        return f"nothing new; {len(self.incidents.open)} open incidents"


def _read(context: dg.SensorEvaluationContext, settings: Settings) -> _State:
    """A first tick begins with what ends from now on: old failures are nobody's news."""
    if not context.cursor:
        return _State(latest_end(context.instance), Incidents(settings.dagster_url))
    document: dict[str, Any] = json.loads(context.cursor)
    return _State(document["storage_id"], Incidents.from_document(settings.dagster_url, document["incidents"]))


def _publish(notifier: Notifier, topic_arn: str, alert: Alert) -> None:
    if topic_arn:
        notifier.publish(topic_arn, alert.subject, alert.message, deduplication_id=alert.event_id)
