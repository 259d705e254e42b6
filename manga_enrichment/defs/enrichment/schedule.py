"""The nightly schedule: at 02:00 in Tokyo, the first run of a night.

Where a night is more than one run, the first one imports the catalog and does nothing else, so that the source is read
once and by nobody else; the sensor `nights` launches the others.

Belongs here: when, and over which buckets. Stays out: the job (`defs/enrichment/jobs.py`), what follows
(`defs/enrichment/night_sensor.py`).
"""

from collections.abc import Iterable, Sequence

import dagster as dg

from manga_enrichment.defs.enrichment.jobs import NIGHTLY_JOB
from manga_enrichment.defs.shared.names import CANDIDATES, CATALOG
from manga_enrichment.defs.shared.tags import NIGHT_PART_TAG, NIGHT_PASS_TAG, NIGHT_TAG, range_tags
from manga_enrichment.domain.operations.nights import BEGINS_AT_HOUR, IMPORT, TIME_ZONE, Launch, first_parts
from manga_enrichment.pipeline.enrichment.wide_table import TABLE


def build_nightly_schedule(
    bucket_groups: Sequence[tuple[str, str]], after_import: Sequence[str]
) -> dg.ScheduleDefinition:
    """after_import: the assets of a run that finds the catalog imported."""

    @dg.schedule(
        name=NIGHTLY_JOB,
        job_name=NIGHTLY_JOB,
        cron_schedule=f"0 {BEGINS_AT_HOUR} * * *",
        execution_timezone=TIME_ZONE,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every night at 02:00 in Tokyo, all buckets.",
    )
    def nightly_enrichment(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest]:
        night = context.scheduled_execution_time.date().isoformat()
        first = first_parts([first for first, _last in bucket_groups])
        return [run_request(night, Launch(part), bucket_groups, after_import) for part in first]

    return nightly_enrichment


def assets_after_import(analyses: Iterable[str]) -> list[str]:
    return [CANDIDATES, *analyses, TABLE]


def run_request(
    night: str, launch: Launch, bucket_groups: Sequence[tuple[str, str]], after_import: Sequence[str]
) -> dg.RunRequest:
    """The run of a part of a night. A night of one group imports in it."""
    last_of = dict(bucket_groups)
    if launch.part == IMPORT:
        tags = {**range_tags(bucket_groups[0][0], bucket_groups[-1][1]), NIGHT_PART_TAG: IMPORT}
        assets: Sequence[str] | None = [CATALOG]
    else:
        tags = range_tags(launch.part, last_of[launch.part])
        assets = after_import if len(bucket_groups) > 1 else None
    again = {NIGHT_PASS_TAG: "second"} if launch.is_second else {}
    return dg.RunRequest(
        run_key=":".join([night, launch.part, *again.values()]),
        asset_selection=None if assets is None else [dg.AssetKey(name) for name in assets],
        tags={**tags, NIGHT_TAG: night, **again},
    )
