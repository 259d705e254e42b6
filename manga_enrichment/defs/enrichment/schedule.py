"""The nightly schedule: one run per group of buckets, at 02:00 in Tokyo.

Belongs here: when, and over which buckets. Stays out: the job (`defs/enrichment/jobs.py`).
"""

from collections.abc import Iterator, Sequence

import dagster as dg

from manga_enrichment.defs.enrichment.jobs import NIGHTLY_JOB
from manga_enrichment.defs.shared.tags import NIGHT_TAG, range_tags


def build_nightly_schedule(bucket_groups: Sequence[tuple[str, str]]) -> dg.ScheduleDefinition:
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
        for first, last in bucket_groups:
            yield dg.RunRequest(run_key=f"{night}:{first}", tags={**range_tags(first, last), NIGHT_TAG: night})

    return nightly_enrichment
