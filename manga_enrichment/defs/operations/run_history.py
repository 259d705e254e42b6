"""Job `prune_run_history`: finished runs that are old are deleted from Dagster, with their logs.

Dagster's own retention covers ticks alone. A run's event log is also where the UI knows from which partitions are
materialized, so the run behind the latest materialization of an asset's partition stays, however old it is. What runs
did is in the tables, which nothing here touches. What their ops handed on ends by the bucket's rule for `runs/`.
Nothing of a run is on the disk of one machine, but for captured logs where no log manager has them on S3.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

import dagster as dg

from manga_enrichment.defs.shared.tags import HEALTH_LANE, HISTORY_DAYS_TAG
from manga_enrichment.gateways.clock import Clock

HISTORY_JOB = "prune_run_history"
RUNS_PER_PRUNING = 2_000
_PAGE = 100
_FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


def build_history_job(history_days: int) -> dg.JobDefinition:
    @dg.op(
        description=f"Delete runs that ended more than {history_days} days ago; those of some jobs earlier.",
        tags={"kind": "dagster"},
    )
    def prune_runs(context: dg.OpExecutionContext, clock: dg.ResourceParam[Clock]) -> int:
        pruning = Pruning(context.instance, clock.now(), history_days)
        deleted = pruning.prune()
        context.add_output_metadata({"deleted": deleted, "kept_for_their_materializations": len(pruning.kept)})
        context.log.info(f"{deleted} runs were deleted")
        return deleted

    @dg.job(
        name=HISTORY_JOB,
        description="Delete old runs and their logs from Dagster. Tables are not touched.",
        tags={**HEALTH_LANE, HISTORY_DAYS_TAG: "7"},
    )
    def prune_run_history() -> None:
        prune_runs()

    return prune_run_history


def build_history_schedule(job: dg.JobDefinition) -> dg.ScheduleDefinition:
    return dg.ScheduleDefinition(
        name=HISTORY_JOB,
        job=job,
        cron_schedule="45 5 * * *",
        execution_timezone="Asia/Tokyo",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every day at 05:45 in Tokyo.",
    )


class Pruning:
    """One pass over the finished runs, oldest first."""

    def __init__(self, instance: dg.DagsterInstance, now: datetime, history_days: int) -> None:
        self._instance = instance
        self._now = now
        self._history_days = history_days
        self._latest: dict[tuple[dg.AssetKey, str | None], str] = {}
        self.kept: set[str] = set()

    def prune(self) -> int:
        """How many runs were deleted: at most RUNS_PER_PRUNING, the rest tomorrow."""
        deleted = 0
        for run_id in [record.dagster_run.run_id for record in self._old_enough()]:
            if deleted == RUNS_PER_PRUNING:
                break
            if self._is_latest_somewhere(run_id):
                self.kept.add(run_id)
                continue
            self._delete(run_id)
            deleted += 1
        return deleted

    def _delete(self, run_id: str) -> None:
        """The run last: what an interruption leaves is found again."""
        self._instance.compute_log_manager.delete_logs(prefix=[run_id])
        self._instance.delete_run(run_id)

    def _old_enough(self) -> Iterator[dg.RunRecord]:
        """Oldest first; read from a day on, since a job may say in its tags that its runs are worth less."""
        cursor = None
        while True:
            filters = dg.RunsFilter(statuses=_FINISHED, created_before=self._now - timedelta(days=1))
            page = self._instance.get_run_records(filters, limit=_PAGE, ascending=True, cursor=cursor)
            for record in page:
                ended = record.end_time or record.create_timestamp.timestamp()
                if ended < (self._now - timedelta(days=self._days(record.dagster_run))).timestamp():
                    yield record
            if len(page) < _PAGE:
                return
            cursor = page[-1].dagster_run.run_id

    def _days(self, run: dg.DagsterRun) -> int:
        """A tag may shorten the time, not lengthen it; whoever launches a run may have written nonsense."""
        said = run.tags.get(HISTORY_DAYS_TAG, "")
        return min(int(said), self._history_days) if said.isdecimal() else self._history_days

    def _is_latest_somewhere(self, run_id: str) -> bool:
        logs = self._instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
        return any(
            self._latest_run(log.asset_materialization.asset_key, log.asset_materialization.partition) == run_id
            for log in logs
            if log.asset_materialization is not None
        )

    def _latest_run(self, key: dg.AssetKey, partition: str | None) -> str:
        if (key, partition) not in self._latest:
            wanted = dg.AssetRecordsFilter(key, asset_partitions=None if partition is None else [partition])
            (newest,) = self._instance.fetch_materializations(wanted, limit=1).records
            self._latest[key, partition] = newest.run_id
        return self._latest[key, partition]
