"""Job `compact_tables`: what runs have flushed in the hours that are over becomes one object an hour.

Belongs here: job and schedule. Stays out: merging (`pipeline/store/compaction.py`). Readers need not wait for it: it
saves them listing and opening thousands of small objects.
"""

from dataclasses import asdict

import dagster as dg

from manga_enrichment.defs.shared.policies import OP_RETRY_POLICY
from manga_enrichment.defs.shared.tags import HEALTH_LANE, HISTORY_DAYS_TAG
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.publish.compact import compact_tables

COMPACTION_JOB = "compact_tables"


def build_compaction_job() -> dg.JobDefinition:
    @dg.op(
        description="Merge the objects of each hour that is over, or delete those that are merged.",
        retry_policy=OP_RETRY_POLICY,
        tags={"kind": "parquet"},
    )
    def merge_hours(
        context: dg.OpExecutionContext, tables: dg.ResourceParam[ObjectStore], clock: dg.ResourceParam[Clock]
    ) -> None:
        reports = compact_tables(tables, clock.now())
        numbers = {f"{table}_{name}": n for table, each in reports.items() for name, n in asdict(each).items()}
        context.add_output_metadata(numbers)

    @dg.job(
        name=COMPACTION_JOB,
        description="Merge the small objects of hours that are over. Safe beside readers, writers and itself.",
        tags={**HEALTH_LANE, HISTORY_DAYS_TAG: "3"},
    )
    def compaction() -> None:
        merge_hours()

    return compaction


def build_compaction_schedule(job: dg.JobDefinition) -> dg.ScheduleDefinition:
    return dg.ScheduleDefinition(
        name=COMPACTION_JOB,
        job=job,
        cron_schedule="20 * * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every hour, 20 minutes past it.",
    )
