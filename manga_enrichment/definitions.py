"""Assembly only: settings in, one explicit `dg.Definitions` out."""

from collections.abc import Mapping

import dagster as dg

from manga_enrichment.defs.assets.catalog import build_catalog_assets
from manga_enrichment.defs.assets.enriched import build_enriched
from manga_enrichment.defs.assets.enrichment import build_enrichment
from manga_enrichment.defs.checks.cost import build_cost_checks, build_model_checks
from manga_enrichment.defs.checks.quality import build_quality_checks
from manga_enrichment.defs.jobs import build_jobs
from manga_enrichment.defs.partitions import catalog_partitions
from manga_enrichment.defs.resources import build_resources
from manga_enrichment.defs.schedules import build_schedules
from manga_enrichment.defs.sensors import build_batch_job, build_batch_sensor
from manga_enrichment.domain.analyses import ANALYSES
from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.batch_jobs import MIN_TITLES_SETTING, ROLE_SETTING
from manga_enrichment.domain.models import load_models
from manga_enrichment.domain.outcomes import ConfigurationError
from manga_enrichment.pipeline.batch_lane import BatchSettings
from manga_enrichment.pipeline.budget import Caps
from manga_enrichment.pipeline.engine import EngineSettings
from manga_enrichment.pipeline.invoking import InvokeSettings
from manga_enrichment.settings import Settings, load_settings, micro_usd


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
        ],
        asset_checks=[
            *build_quality_checks(analyses, buckets, settings),
            *build_cost_checks(settings),
            *build_model_checks(analyses, models),
        ],
        jobs=[*build_jobs(), build_batch_job(analyses)],
        schedules=build_schedules(buckets, settings.buckets_per_run),
        sensors=[build_batch_sensor(analyses, models, settings)],
        resources={**build_resources(settings), **(resources or {})},
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
