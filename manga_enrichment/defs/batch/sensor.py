"""The sensor `batch_jobs`: looks after Bedrock's batch jobs, and has the tables of a settled one brought up to date.

That is an ordinary run, which finds the answers in the ledger and bills nothing for them.

Belongs here: ticks, the cursor, RunRequests. Stays out: launching, following, collecting (`pipeline/batch/follow.py`).
"""

import json
from collections.abc import Sequence

import dagster as dg

from manga_enrichment.defs.batch.job import BATCH_JOB
from manga_enrichment.defs.shared.inputs import DefinitionInputs
from manga_enrichment.defs.shared.tags import BATCH_JOB_TAG, range_tags
from manga_enrichment.gateways.batch import BatchInference
from manga_enrichment.gateways.budget import BudgetStore
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.ledger import ResultLedger
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.batch.follow import Followed, Follower
from manga_enrichment.pipeline.batch.job_store import BatchStore
from manga_enrichment.pipeline.batch.launch import BatchGateways
from manga_enrichment.pipeline.enrichment.wide_table import TABLE as ENRICHED_TABLE

BATCH_SENSOR = "batch_jobs"
TICK_SECONDS = 20.0
"""A third of what Dagster gives a tick, because the last thing begun is finished."""
INTERVAL_SECONDS = 30


def build_batch_sensor(inputs: DefinitionInputs) -> dg.SensorDefinition:
    """Running by default where the lane is on; a tick without jobs is one listing on S3."""
    is_on = inputs.settings.batch_min_titles is not None

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
        follower = Follower(gateways, inputs.analyses, inputs.models, context.log.info)
        handed_on = set(json.loads(context.cursor or "[]"))
        seen = follower.follow(handed_on, clock.monotonic_seconds() + TICK_SECONDS)
        return _result(seen, handed_on, BatchStore(tables), inputs)

    return batch_jobs


def _result(seen: Followed, handed_on: set[str], store: BatchStore, inputs: DefinitionInputs) -> dg.SensorResult:
    fresh = [token for token in seen.settled if token not in handed_on]
    requests = [request for token in fresh for request in run_requests(store, token, inputs.bucket_groups)]
    waiting = ", ".join(f"{token[:12]} {status}" for token, status in seen.waiting.items())
    return dg.SensorResult(
        run_requests=requests,
        # Dagster keeps the cursor and the runs together: a tick that is lost is simply done again.
        cursor=json.dumps(sorted(seen.settled)),
        skip_reason=None if requests else dg.SkipReason(f"waiting for {waiting}" if waiting else "no batch jobs"),
    )


def run_requests(store: BatchStore, token: str, groups: Sequence[tuple[str, str]]) -> list[dg.RunRequest]:
    """One run per group of buckets with titles of this job; none when it brought no answer."""
    if not store.settlement(token).answered:
        return []
    job = store.job(token)
    return [
        dg.RunRequest(
            run_key=f"{token}:{first}",
            asset_selection=[dg.AssetKey(name) for name in (*job.selected, ENRICHED_TABLE)],
            tags={**range_tags(first, last), BATCH_JOB_TAG: job.name},
        )
        for first, last in groups
        if any(first <= bucket <= last for bucket in job.buckets)
    ]
