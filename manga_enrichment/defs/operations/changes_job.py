"""Job `prune_changes`: days of changes that are older than they are kept for are deleted.

Belongs here: job and schedule. Stays out: which days those are (`pipeline/changes/prune.py`).
"""

import dagster as dg

from manga_enrichment.defs.shared.policies import OP_RETRY_POLICY, configuration_errors_are_final
from manga_enrichment.defs.shared.tags import HEALTH_LANE, HISTORY_DAYS_TAG
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.changes.prune import prune_changes as prune

CHANGES_JOB = "prune_changes"


def build_changes_job(days: int) -> dg.JobDefinition:
    @dg.op(
        description=f"Delete changes of tables of {days} and more UTC days ago.",
        retry_policy=OP_RETRY_POLICY,
        tags={"kind": "s3"},
    )
    def prune_old_days(
        context: dg.OpExecutionContext, tables: dg.ResourceParam[ObjectStore], clock: dg.ResourceParam[Clock]
    ) -> None:
        with configuration_errors_are_final():
            deleted = prune(tables, clock.now(), days)
        context.add_output_metadata({f"{name}_objects": count for name, count in deleted.items()})

    @dg.job(
        name=CHANGES_JOB,
        description="Delete old days of catalog_changes and enriched_changes. No other table is touched.",
        tags={**HEALTH_LANE, HISTORY_DAYS_TAG: "7"},
    )
    def prune_changes() -> None:
        prune_old_days()

    return prune_changes


def build_changes_schedule(job: dg.JobDefinition) -> dg.ScheduleDefinition:
    return dg.ScheduleDefinition(
        name=CHANGES_JOB,
        job=job,
        cron_schedule="50 5 * * *",
        execution_timezone="Asia/Tokyo",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every day at 05:50 in Tokyo.",
    )
