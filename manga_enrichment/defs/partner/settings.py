"""Settings of the partner lane's use cases, made from the project's.

Belongs here: what sensors, ops and outbox need of the settings. Stays out: what both lanes need
(`defs/shared/pipeline_settings.py`).
"""

from dataclasses import dataclass
from datetime import timedelta

from manga_enrichment.defs.shared.inputs import DefinitionInputs
from manga_enrichment.domain.requests.validation import RequestPolicy
from manga_enrichment.pipeline.outbox.announce import NotificationPolicy
from manga_enrichment.pipeline.partner.ending.settle import SettleLimits
from manga_enrichment.pipeline.partner.packing import UnitLimits
from manga_enrichment.pipeline.partner.scaling import BacklogRule
from manga_enrichment.settings import Settings, partner_policies, request_policy


@dataclass(frozen=True, slots=True)
class SensorSettings:
    """Of a tick."""

    backlog: BacklogRule
    limits: UnitLimits
    policy: RequestPolicy
    notification: NotificationPolicy
    clock_skew: timedelta


def settle_limits(settings: Settings) -> SettleLimits:
    max_age = timedelta(hours=settings.request_max_age_hours)
    return SettleLimits(settings.deferral_seconds, max_age, partner_policies(settings))


def sensor_settings(inputs: DefinitionInputs) -> SensorSettings:
    settings = inputs.settings
    return SensorSettings(
        backlog=BacklogRule(settings.queue_messages_per_run, settings.queue_min_runs, settings.queue_max_runs),
        limits=UnitLimits(settings.coalesce_max_messages, settings.coalesce_max_titles),
        policy=request_policy(settings, inputs.known),
        notification=notification_policy(settings),
        clock_skew=clock_skew(settings),
    )


def clock_skew(settings: Settings) -> timedelta:
    return timedelta(seconds=settings.clock_skew_seconds)


def notification_policy(settings: Settings) -> NotificationPolicy:
    return NotificationPolicy(
        allowed_topics=frozenset(settings.sns_topics_allowed),
        results_topic=settings.results_topic_arn,
        alerts_topic=settings.alerts_topic_arn,
        allow_loopback=settings.callback_allow_loopback,
        api_url=settings.api_url,
        partners=partner_policies(settings),
        sends_mail=bool(settings.email_from),
    )
