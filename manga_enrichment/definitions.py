"""Assembly only: settings in, one explicit `dg.Definitions` out."""

from collections.abc import Mapping
from datetime import timedelta

import dagster as dg

from manga_enrichment.defs.batch.job import build_batch_job
from manga_enrichment.defs.batch.sensor import build_batch_sensor
from manga_enrichment.defs.catalog.assets import build_catalog_assets
from manga_enrichment.defs.costs.assets import build_costs, build_costs_job, build_costs_schedule
from manga_enrichment.defs.costs.checks import build_daily_cost_checks
from manga_enrichment.defs.enrichment.assets import build_enrichment
from manga_enrichment.defs.enrichment.cost_checks import build_cost_checks, build_model_checks
from manga_enrichment.defs.enrichment.jobs import build_jobs
from manga_enrichment.defs.enrichment.quality_checks import build_quality_checks
from manga_enrichment.defs.enrichment.schedule import build_schedules
from manga_enrichment.defs.enrichment.wide_table import build_enriched
from manga_enrichment.defs.operations.alert_sensor import build_alert_sensor
from manga_enrichment.defs.operations.killed_runs import build_killed_runs_sensor
from manga_enrichment.defs.operations.metrics_sensor import build_metrics_sensor
from manga_enrichment.defs.operations.run_history import build_history_job, build_history_schedule
from manga_enrichment.defs.partner.assets import build_partner_job, build_partner_results
from manga_enrichment.defs.partner.ops import PartnerSettings
from manga_enrichment.defs.partner.outbox_sensor import build_outbox_sensor, notification_policy
from manga_enrichment.defs.partner.runs import build_partner_run
from manga_enrichment.defs.partner.sensors import SensorSettings, build_request_sensors
from manga_enrichment.defs.queues.assets import build_queue_assets, build_queue_job, build_queue_schedule
from manga_enrichment.defs.queues.checks import build_queue_checks
from manga_enrichment.defs.queues.redrive_job import redrive_dead_letters
from manga_enrichment.defs.report.assets import build_report, build_report_job, build_report_schedule
from manga_enrichment.defs.shared.partitions import catalog_partitions, partition_groups
from manga_enrichment.defs.shared.resources import build_resources
from manga_enrichment.domain.analyses import ANALYSES
from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.models.batch_jobs import MIN_TITLES_SETTING, ROLE_SETTING
from manga_enrichment.domain.models.specs import load_models
from manga_enrichment.pipeline.engine.budget import Caps
from manga_enrichment.pipeline.engine.engine import EngineSettings
from manga_enrichment.pipeline.engine.invocation import InvokeSettings
from manga_enrichment.pipeline.enrichment.submit_batch import BatchSettings
from manga_enrichment.pipeline.partner.packing import UnitLimits
from manga_enrichment.pipeline.partner.scaling import BacklogRule
from manga_enrichment.pipeline.partner.settle import SettleLimits
from manga_enrichment.settings import Settings, load_settings, micro_usd, request_policy


def build_definitions(
    settings: Settings | None = None,
    *,
    analyses: Mapping[str, AnalysisType] = ANALYSES,
    resources: Mapping[str, object] | None = None,
) -> dg.Definitions:
    """The whole code location. `resources` replaces single resources by key, as tests do.

    Raises ConfigurationError, one sentence, for a wrong setting or an unknown or unpriced model.
    """
    settings = settings or load_settings()
    models = load_models(settings.model_aliases)
    partitions = catalog_partitions(settings.catalog_buckets)
    buckets = list(partitions.get_partition_keys())
    backfill_policy = dg.BackfillPolicy.multi_run(settings.buckets_per_run)
    history = build_history_job(settings.run_history_days)
    return dg.Definitions(
        assets=[
            *build_catalog_assets(settings=settings, partitions=partitions, backfill_policy=backfill_policy),
            build_enrichment(
                analyses=analyses,
                models=models,
                partitions=partitions,
                backfill_policy=backfill_policy,
                invoke_settings=invoke_settings(settings),
                batch_settings=batch_settings(settings),
            ),
            build_enriched(analyses=list(analyses.values()), partitions=partitions, backfill_policy=backfill_policy),
            build_partner_results(analyses=analyses, models=models, settings=partner_settings(settings)),
            build_queue_assets(),
            build_costs(),
            build_report(analyses=analyses, models=models, settings=settings),
        ],
        asset_checks=[
            *build_quality_checks(analyses, buckets, settings),
            *build_cost_checks(settings),
            *build_model_checks(analyses, models),
            *build_daily_cost_checks(settings, models),
            *build_queue_checks(),
        ],
        jobs=[
            *build_jobs(),
            build_batch_job(analyses),
            build_partner_job(),
            redrive_dead_letters,
            build_queue_job(),
            build_costs_job(),
            build_report_job(),
            history,
        ],
        schedules=[
            *build_schedules(buckets, settings.buckets_per_run),
            build_queue_schedule(),
            build_costs_schedule(),
            build_report_schedule(),
            build_history_schedule(history),
        ],
        sensors=[
            build_batch_sensor(analyses, models, settings),
            *build_request_sensors(sensor_settings(settings)),
            build_outbox_sensor(settings),
            build_alert_sensor(settings),
            build_killed_runs_sensor(),
            build_metrics_sensor(
                [first for first, _last in partition_groups(buckets, settings.buckets_per_run)],
                [name for name, analysis in analyses.items() if not analysis.parts],
            ),
        ],
        resources={
            **build_resources(settings),
            "partner_run": build_partner_run(settings.deferral_seconds),
            **(resources or {}),
        },
        executor=dg.in_process_executor,
    )


def invoke_settings(settings: Settings) -> InvokeSettings:
    return InvokeSettings(
        engine=EngineSettings(
            concurrency=settings.concurrency,
            deadline_seconds=settings.deadline_seconds,
            claim_seconds=settings.claim_seconds,
        ),
        requests_per_minute=settings.requests_per_minute,
        tokens_per_minute=settings.tokens_per_minute,
        caps=_caps(settings),
    )


def partner_settings(settings: Settings) -> PartnerSettings:
    return PartnerSettings(
        invoke=invoke_settings(settings),
        settle=SettleLimits(settings.deferral_seconds, timedelta(hours=settings.request_max_age_hours)),
        notification=notification_policy(settings),
        bucket_count=settings.catalog_buckets,
        grace_seconds=settings.grace_seconds,
    )


def sensor_settings(settings: Settings) -> SensorSettings:
    return SensorSettings(
        backlog=BacklogRule(settings.queue_messages_per_run, settings.queue_min_runs, settings.queue_max_runs),
        limits=UnitLimits(settings.coalesce_max_messages, settings.coalesce_max_titles),
        policy=request_policy(settings),
        notification=notification_policy(settings),
    )


def batch_settings(settings: Settings) -> BatchSettings:
    """Raises ConfigurationError when the lane is on and has no role."""
    if settings.batch_min_titles is not None and not settings.batch_role_arn:
        raise ConfigurationError(
            f"{MIN_TITLES_SETTING} switches the batch lane on, which needs a role for Bedrock: set {ROLE_SETTING} "
            "(docs/batch.md has its policy)"
        )
    return BatchSettings(settings.batch_min_titles, settings.batch_timeout_hours, _caps(settings))


def _caps(settings: Settings) -> Caps:
    return Caps(
        per_run_micro_usd=micro_usd(settings.budget_usd_per_run),
        per_day_micro_usd=micro_usd(settings.budget_usd_per_day),
        per_partner_per_day_micro_usd=micro_usd(settings.budget_usd_per_partner_per_day),
    )


@dg.definitions
def defs() -> dg.Definitions:
    return build_definitions()
