"""The sensor `nights`: launches what a night lacks, once its schedule has begun it.

When the catalog is imported, a run for each group of buckets; ten minutes after the last failure, once more what failed
in a way that may pass. What nothing passes by itself is not launched again: a refused account, a wrong setting, an
implausible catalog. A spent budget and the brake end no run as failed. Runs that a person cancelled are that person's.

Belongs here: ticks, reading the runs of a night. Stays out: what is due (`domain/operations/nights.py`), what a run is
made of (`defs/enrichment/schedule.py`).
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg

from manga_enrichment.defs.enrichment.jobs import NIGHTLY_JOB
from manga_enrichment.defs.enrichment.schedule import run_request
from manga_enrichment.defs.shared.run_facts import failed_for_good
from manga_enrichment.defs.shared.tags import NIGHT_PART_TAG, NIGHT_PASS_TAG, NIGHT_TAG, partition_range
from manga_enrichment.domain.operations.nights import Ending, NightRun, due, night_of
from manga_enrichment.gateways.clock import Clock

NIGHT_SENSOR = "nights"
INTERVAL_SECONDS = 30


def build_night_sensor(bucket_groups: Sequence[tuple[str, str]], after_import: Sequence[str]) -> dg.SensorDefinition:
    """after_import: the assets of a run that finds the catalog imported."""

    @dg.sensor(
        name=NIGHT_SENSOR,
        job_name=NIGHTLY_JOB,
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="After the import of a night, its other runs; later once more those that failed and may succeed.",
    )
    def nights(context: dg.SensorEvaluationContext, clock: dg.ResourceParam[Clock]) -> dg.SensorResult:
        now = clock.now()
        date = night_of(now)
        filters = dg.RunsFilter(job_name=NIGHTLY_JOB, tags={NIGHT_TAG: date})
        runs = [_night_run(context.instance, record) for record in context.instance.get_run_records(filters)]
        launches = list(due([first for first, _last in bucket_groups], runs, now)) if runs else []
        said = f"nothing is due; {len(runs)} runs of {date}" if runs else f"{date} has not begun"
        return dg.SensorResult(
            run_requests=[run_request(date, launch, bucket_groups, after_import) for launch in launches],
            skip_reason=None if launches else dg.SkipReason(said),
        )

    return nights


def _night_run(instance: dg.DagsterInstance, record: dg.RunRecord) -> NightRun:
    run = record.dagster_run
    part = run.tags.get(NIGHT_PART_TAG, partition_range(run.tags)[0])
    ended = record.end_time or record.update_timestamp.timestamp()
    ended_at = datetime.fromtimestamp(ended, UTC) if run.is_finished else None
    return NightRun(part, NIGHT_PASS_TAG in run.tags, _ending(instance, run), ended_at)


def _ending(instance: dg.DagsterInstance, run: dg.DagsterRun) -> Ending:
    if not run.is_finished:
        return Ending.NONE_YET
    if run.status is dg.DagsterRunStatus.SUCCESS:
        return Ending.SUCCESS
    may_pass = run.status is dg.DagsterRunStatus.FAILURE and not failed_for_good(instance, run.run_id)
    return Ending.FAILURE if may_pass else Ending.FINAL
