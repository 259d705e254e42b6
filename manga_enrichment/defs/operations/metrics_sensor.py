"""The sensor `metrics`: every two minutes numbers go to CloudWatch, for alarms and scaling. It starts no runs.

A sensor and not a run: when all runs are taken is when scaling needs the numbers most. Nothing here can fail a run.
When CloudWatch does not answer, gauges of that tick are lost and ended runs are counted at the next tick.

Belongs here: ticks and the cursor, which runs make a night. Stays out: what a metric is made of
(`pipeline/health/metrics.py`).
"""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta

import dagster as dg

from manga_enrichment.defs.enrichment.jobs import NIGHTLY_JOB
from manga_enrichment.defs.operations.finished_runs import (
    FOR_METRICS,
    FinishedRun,
    finished_after,
    latest_end,
    new_rows_of,
    output_metadata,
)
from manga_enrichment.defs.shared.run_facts import running_tasks
from manga_enrichment.defs.shared.tags import NIGHT_PART_TAG, NIGHT_TAG, RANGE_START_TAG, lane_of
from manga_enrichment.domain.operations.metrics import Metric, nightly_succeeded
from manga_enrichment.gateways.budget import BudgetStore
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.errors import MetricsUnavailableError, QueueUnavailableError, StoreUnavailableError
from manga_enrichment.gateways.metrics import MetricSink
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.gateways.queue import RequestQueue
from manga_enrichment.pipeline.health.metrics import cost_metric, latency_metrics, queue_metrics, run_metrics

METRICS_SENSOR = "metrics"
INTERVAL_SECONDS = 120
"""With three long polls a minute, an idle queue stays below four requests; alarms look at five minutes."""
OLDEST = timedelta(days=13)
"""CloudWatch refuses what is older than two weeks, and would for ever."""


def build_metrics_sensor(group_starts: Sequence[str], answer_tables: Sequence[str]) -> dg.SensorDefinition:
    """group_starts: the first bucket of each run that a night consists of. answer_tables: those that answers go to."""

    @dg.sensor(
        name=METRICS_SENSOR,
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Queue depths, backlog, cost and what ended runs did, to CloudWatch. Starts no runs.",
    )
    def metrics(
        context: dg.SensorEvaluationContext,
        metric_sink: dg.ResourceParam[MetricSink],
        queues: dg.ResourceParam[RequestQueue],
        budget: dg.ResourceParam[BudgetStore],
        tables: dg.ResourceParam[ObjectStore],
        clock: dg.ResourceParam[Clock],
    ) -> dg.SensorResult:
        after = json.loads(context.cursor) if context.cursor else latest_end(context.instance)
        now = clock.now()
        ended = finished_after(context.instance, after, FOR_METRICS)
        points = [p for each in ended for p in _points_of(each, context.instance, group_starts, answer_tables, now)]
        points += _gauges(context, queues, budget, tables, now)
        try:
            metric_sink.put(points)
        except MetricsUnavailableError as error:
            context.log.warning(f"{len(points)} metrics were not sent: {error}")
            return dg.SensorResult(cursor=json.dumps(after), skip_reason=dg.SkipReason(f"not sent: {error}"))
        last = ended[-1].storage_id if ended else after
        return dg.SensorResult(cursor=json.dumps(last), skip_reason=dg.SkipReason(f"{len(points)} metrics were sent"))

    return metrics


def _gauges(
    context: dg.SensorEvaluationContext, queues: RequestQueue, budget: BudgetStore, tables: ObjectStore, now: datetime
) -> list[Metric]:
    """What is so at this moment; nothing while queues, budget or tables do not answer."""
    tasks = running_tasks(context.instance)
    try:
        return [*queue_metrics(queues, tasks, now), cost_metric(budget, now), *latency_metrics(tables, now)]
    except (QueueUnavailableError, StoreUnavailableError) as error:
        context.log.warning(f"gauges of this tick are missing: {error}")
        return []


def _points_of(
    finished: FinishedRun,
    instance: dg.DagsterInstance,
    group_starts: Sequence[str],
    tables: Sequence[str],
    now: datetime,
) -> list[Metric]:
    if now - finished.at >= OLDEST:
        return []
    points = run_metrics(
        lane_of(finished.run.tags),
        output_metadata(finished.events, "invoke_"),
        new_rows_of(finished.events, tables),
        finished.at,
    )
    if finished.succeeded and _completes_its_night(finished.run, instance, group_starts):
        points.append(nightly_succeeded(finished.at))
    return points


def _completes_its_night(run: dg.DagsterRun, instance: dg.DagsterInstance, group_starts: Sequence[str]) -> bool:
    """Whether every run of the night has succeeded now, tried again or not."""
    night = run.tags.get(NIGHT_TAG)
    if run.job_name != NIGHTLY_JOB or night is None:
        return False
    succeeded = dg.RunsFilter(job_name=NIGHTLY_JOB, tags={NIGHT_TAG: night}, statuses=[dg.DagsterRunStatus.SUCCESS])
    done = {each.tags.get(RANGE_START_TAG) for each in instance.get_runs(succeeded) if NIGHT_PART_TAG not in each.tags}
    return done >= set(group_starts)
