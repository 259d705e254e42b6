"""Sensors: what starts runs when something has happened elsewhere.

`batch_jobs` looks after Bedrock's batch jobs, and has the tables of a settled one brought up to date by an ordinary
run, which finds the answers in the ledger and bills nothing for them.
"""

import json
from collections.abc import Mapping
from typing import Any

import dagster as dg

from manga_enrichment.defs.shared.partitions import partition_groups
from manga_enrichment.defs.shared.run_facts import range_tags
from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.catalog.records import bucket_keys
from manga_enrichment.domain.models.specs import ModelCatalog
from manga_enrichment.gateways.batch import BatchInference
from manga_enrichment.gateways.budget import BudgetStore
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.ledger import ResultLedger
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.batch.follow import Follower
from manga_enrichment.pipeline.batch.job_store import BatchStore
from manga_enrichment.pipeline.batch.launch import BatchGateways
from manga_enrichment.pipeline.enrichment.wide_table import TABLE as ENRICHED_TABLE
from manga_enrichment.settings import Settings

BATCH_SENSOR = "batch_jobs"
BATCH_JOB = "publish_batch_answers"
TICK_SECONDS = 20.0
"""A third of what Dagster gives a tick, because the last thing begun is finished."""
INTERVAL_SECONDS = 30


def build_batch_job(analyses: Mapping[str, AnalysisType]) -> Any:
    """An unresolved asset job; Dagster does not export its type."""
    return dg.define_asset_job(
        BATCH_JOB,
        selection=dg.AssetSelection.assets(*analyses, ENRICHED_TABLE),
        description="Bring the tables up to date after a batch job. Titles it left unanswered are asked again.",
        tags={"lane": "batch"},
    )


def build_batch_sensor(
    analyses: Mapping[str, AnalysisType], models: ModelCatalog, settings: Settings
) -> dg.SensorDefinition:
    """Running by default where the lane is on; a tick without jobs is one listing on S3."""
    is_on = settings.batch_min_titles is not None

    @dg.sensor(
        name=BATCH_SENSOR,
        job_name=BATCH_JOB,
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING if is_on else dg.DefaultSensorStatus.STOPPED,
        description="Launch, follow and collect Bedrock batch jobs; publish the answers of those that ended.",
    )
    def batch_jobs(
        context: dg.SensorEvaluationContext,
        tables: dg.ResourceParam[ObjectStore],
        ledger: dg.ResourceParam[ResultLedger],
        budget: dg.ResourceParam[BudgetStore],
        batch: dg.ResourceParam[BatchInference],
        clock: dg.ResourceParam[Clock],
    ) -> dg.SensorResult:
        gateways = BatchGateways(tables, ledger, budget, batch, clock)
        handed_on = set(json.loads(context.cursor or "[]"))
        follower = Follower(gateways, analyses, models, context.log.info)
        seen = follower.follow(handed_on, clock.monotonic_seconds() + TICK_SECONDS)
        store = BatchStore(tables)
        fresh = [token for token in seen.settled if token not in handed_on]
        requests = [request for token in fresh for request in run_requests(store, token, settings)]
        waiting = ", ".join(f"{token[:12]} {status}" for token, status in seen.waiting.items())
        return dg.SensorResult(
            run_requests=requests,
            # Dagster keeps the cursor and the runs together: a tick that is lost is simply done again.
            cursor=json.dumps(sorted(seen.settled)),
            skip_reason=None if requests else dg.SkipReason(f"waiting for {waiting}" if waiting else "no batch jobs"),
        )

    return batch_jobs


def run_requests(store: BatchStore, token: str, settings: Settings) -> list[dg.RunRequest]:
    """One run per group of buckets with titles of this job; none when it brought no answer."""
    if not store.settlement(token).answered:
        return []
    job = store.job(token)
    groups = partition_groups(bucket_keys(settings.catalog_buckets), settings.buckets_per_run)
    return [
        dg.RunRequest(
            run_key=f"{token}:{first}",
            asset_selection=[dg.AssetKey(name) for name in (*job.selected, ENRICHED_TABLE)],
            tags={**range_tags(first, last), "batch_job": job.name},
        )
        for first, last in groups
        if any(first <= bucket <= last for bucket in job.buckets)
    ]
