"""Every tag of a run: its name, its values, and what they say. Who writes a tag and who reads it meet here.

Belongs here: our tags, Dagster's that we use, questions that tags alone answer. Stays out: what an op learns from its
context (`defs/shared/run_facts.py`).
"""

from collections.abc import Mapping, Sequence

from manga_enrichment.domain.operations.quota_lanes import BACKFILL, LANE_OF_QUEUE, NIGHT

LANE_TAG = "lane"
NIGHT_TAG = "night"
"""The scheduled day (ISO) of the nightly runs that belong together."""
NIGHT_PART_TAG = "manga/night_part"
"""Of the run that imports the catalog before the others of its night; those are known by their range."""
NIGHT_PASS_TAG = "manga/night_pass"  # noqa: S105 (no password)
"""Of a run that makes up for one of the same night that failed: second."""
QUEUE_TAG = "manga/queue"
UNIT_TAG = "manga/unit"
"""Key of the work unit of a partner run; its queue is the tag beside it."""
RESIDENT_TAG = "manga/resident"
"""The lane whose queues a resident run serves: urgent or conversations; no other runs carry it."""
RESIDENT_SLOT_TAG = "manga/resident_slot"
"""Which of its lane's residents a run is, and the how manieth: slot:epoch."""
HISTORY_DAYS_TAG = "manga/history_days"
"""How long a run of this job is worth keeping, where that is less than MANGA_RUN_HISTORY_DAYS."""
BATCH_JOB_TAG = "batch_job"
"""Name of the Bedrock batch job whose answers a run publishes."""
PROGRESS_TAG = "manga/progress"
"""How far a run is, how fast, and what holds it; written anew every ten seconds while it asks."""
PROCESS_TAG = "local/process"
"""Id of the process that a run is in, where no daemon watches it."""

REPOSITORY_TAG = ".dagster/repository"
"""By which the UI finds the runs of a job. Dagster writes it itself where it launches a run, not where a process
executes one in itself."""
CODE_SERVER_TAG = ".dagster/grpc_info"
"""Written by Dagster's default launcher: host and port (JSON) of the code server that started the run."""
SCHEDULE_TAG = "dagster/schedule_name"
BACKFILL_TAG = "dagster/backfill"
PARTITION_TAG = "dagster/partition"
RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"
PRIORITY_TAG = "dagster/priority"
MAX_RETRIES_TAG = "dagster/max_retries"
WILL_RETRY_TAG = "dagster/will_retry"

NIGHTLY_LANE: Mapping[str, str] = {LANE_TAG: "nightly"}
BATCH_LANE: Mapping[str, str] = {LANE_TAG: "batch"}
PARTNER_LANE: Mapping[str, str] = {LANE_TAG: "partner"}
HEALTH_LANE: Mapping[str, str] = {LANE_TAG: "health"}
TRIAL_LANE: Mapping[str, str] = {LANE_TAG: "trial"}


def range_tags(first: str, last: str) -> dict[str, str]:
    """Tags that make one run cover the partitions from first to last."""
    return {RANGE_START_TAG: first, RANGE_END_TAG: last}


def partition_range(tags: Mapping[str, str]) -> tuple[str, str]:
    """First and last partition of a run; ("", "") when it has none."""
    first = tags.get(RANGE_START_TAG, tags.get(PARTITION_TAG, ""))
    return first, tags.get(RANGE_END_TAG, first)


def buckets_of_run(tags: Mapping[str, str], all_buckets: Sequence[str]) -> list[str]:
    """The partitions a run is about; all of them for one that has none, such as a run of checks alone."""
    first, last = partition_range(tags)
    if first not in all_buckets or last not in all_buckets:
        return list(all_buckets)
    return list(all_buckets[all_buckets.index(first) : all_buckets.index(last) + 1])


def trigger_of(tags: Mapping[str, str]) -> str:
    if SCHEDULE_TAG in tags or NIGHT_TAG in tags:
        return "schedule"
    return "backfill" if BACKFILL_TAG in tags else "manual"


def quota_lane(tags: Mapping[str, str]) -> str:
    """The lane in which a run asks models. Runs started by hand are backfills, too: nobody waits for them."""
    if tags.get(QUEUE_TAG) in LANE_OF_QUEUE:
        return LANE_OF_QUEUE[tags[QUEUE_TAG]]
    return NIGHT if trigger_of(tags) == "schedule" else BACKFILL


def lane_of(tags: Mapping[str, str]) -> str:
    """The lane in a job's tags; for runs of assets without a job, what started them."""
    return "backfill" if BACKFILL_TAG in tags else tags.get(LANE_TAG, trigger_of(tags))
