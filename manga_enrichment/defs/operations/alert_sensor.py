"""The sensor `alerts`: failed runs and checks, and the brake, go to the alerts topic: once per incident, and once when
it is over.

Why not Dagster's run failure sensors: they move on when a message could not be sent, and see failures without the
successes that end them. This one goes back to the first run it could not tell of, and keeps open incidents in its
cursor, which Dagster stores together with the tick.
"""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import dagster as dg

from manga_enrichment.defs.operations.finished_runs import FOR_ALERTS, finished_after, latest_end, signals_of
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.operations.incidents import Alert, Incidents, Signal
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.gateways.budget import Brake, BudgetStore
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.errors import NotifierUnavailableError, StoreUnavailableError
from manga_enrichment.gateways.notify import Notifier
from manga_enrichment.settings import Settings

ALERT_SENSOR = "alerts"
INTERVAL_SECONDS = 30
BRAKE_SUBJECT = "asking models"


def build_alert_sensor(settings: Settings) -> dg.SensorDefinition:
    """Running by default; without MANGA_ALERTS_TOPIC_ARN alerts are only to be seen on the page of the sensor."""

    @dg.sensor(
        name=ALERT_SENSOR,
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tell the alerts topic of failed runs and checks and of the brake, and when it is over.",
    )
    def alerts(
        context: dg.SensorEvaluationContext,
        notifier: dg.ResourceParam[Notifier],
        budget: dg.ResourceParam[BudgetStore],
        clock: dg.ResourceParam[Clock],
    ) -> dg.SensorResult:
        before = _read(context, settings)
        news = _news(context, before.storage_id, budget, clock)
        state, said = _tell(context, before, news, notifier, settings)
        shown = "; ".join(said) or state.summary()
        if not settings.alerts_topic_arn:
            shown += "; nobody is told: MANGA_ALERTS_TOPIC_ARN is empty"
        context.log.info(shown)
        return dg.SensorResult(cursor=state.as_cursor(), skip_reason=dg.SkipReason(shown))

    return alerts


def _news(
    context: dg.SensorEvaluationContext, storage_id: int, budget: BudgetStore, clock: Clock
) -> Iterator[tuple[int, list[Signal]]]:
    """What there is to tell, and how far back it need not be told any more: each run that ended, then the brake."""
    for finished in finished_after(context.instance, storage_id, FOR_ALERTS):
        storage_id = finished.storage_id
        yield storage_id, signals_of(finished)
    try:
        yield storage_id, [brake_signal(budget.brake(), clock.now())]
    except StoreUnavailableError as error:
        context.log.warning(f"nobody knows whether the brake is on: {error}")


def brake_signal(brake: Brake | None, now: datetime) -> Signal:
    """Whether models may be asked."""
    if brake is None:
        return Signal(BRAKE_SUBJECT, "", works=True, at=now, run_id="", lasts=True)
    reason = ErrorClass.BRAKE.value
    return Signal(
        BRAKE_SUBJECT, "", works=False, at=now, run_id="", reason=reason, explanation=brake.sentence(), lasts=True
    )


class _State:
    """What the cursor holds."""

    def __init__(self, storage_id: int, incidents: Incidents) -> None:
        self.storage_id = storage_id
        self.incidents = incidents

    def as_cursor(self) -> str:
        return json.dumps({"storage_id": self.storage_id, "incidents": self.incidents.as_document()})

    def summary(self) -> str:
        return f"nothing new; {len(self.incidents.open)} open incidents"


def _tell(
    context: dg.SensorEvaluationContext,
    state: _State,
    news: Iterable[tuple[int, list[Signal]]],
    notifier: Notifier,
    settings: Settings,
) -> tuple[_State, list[str]]:
    """Publish what is due, in order; the state after what could be told, and the subjects told."""
    said: list[str] = []
    for storage_id, signals in news:
        following = _State(storage_id, Incidents(settings.dagster_url, state.incidents.open))
        due = [alert for signal in signals for alert in following.incidents.after(signal)]
        try:
            _publish(notifier, settings.alerts_topic_arn, due)
        except (NotifierUnavailableError, ConfigurationError) as error:
            context.log.warning(f"{len(due)} alerts wait for the next tick: {error}")
            break
        said += (alert.subject for alert in due)
        state = following
    return state, said


def _read(context: dg.SensorEvaluationContext, settings: Settings) -> _State:
    """A first tick begins with what ends from now on: old failures are nobody's news."""
    if not context.cursor:
        return _State(latest_end(context.instance), Incidents(settings.dagster_url))
    document: dict[str, Any] = json.loads(context.cursor)
    return _State(document["storage_id"], Incidents.from_document(settings.dagster_url, document["incidents"]))


def _publish(notifier: Notifier, topic_arn: str, due: Iterable[Alert]) -> None:
    for alert in due if topic_arn else ():
        notifier.publish(topic_arn, alert.subject, alert.message, deduplication_id=alert.event_id)
