"""The nightly schedule: one run per group of buckets, at 02:00 in Tokyo."""

from collections.abc import Iterator, Sequence

import dagster as dg

from manga_enrichment.defs.enrichment.jobs import NIGHTLY_JOB
from manga_enrichment.defs.shared.partitions import partition_groups
from manga_enrichment.defs.shared.tags import NIGHT_TAG, range_tags


def build_schedules(buckets: Sequence[str], buckets_per_run: int) -> list[dg.ScheduleDefinition]:
    @dg.schedule(
        name=NIGHTLY_JOB,
        job_name=NIGHTLY_JOB,
        cron_schedule="0 2 * * *",
        execution_timezone="Asia/Tokyo",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every night at 02:00 in Tokyo, all buckets.",
    )
    def nightly_enrichment(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
        night = context.scheduled_execution_time.date().isoformat()
        for first, last in partition_groups(list(buckets), buckets_per_run):
            yield dg.RunRequest(run_key=f"{night}:{first}", tags={**range_tags(first, last), NIGHT_TAG: night})

    return [nightly_enrichment]
