"""What an op needs to know of its run, and Dagster's tags that say so."""

from collections.abc import Mapping, Sequence

import dagster as dg

from manga_enrichment.domain.outcomes.answers import Provenance
from manga_enrichment.gateways.clock import Clock

SCHEDULE_TAG = "dagster/schedule_name"
BACKFILL_TAG = "dagster/backfill"
PARTITION_TAG = "dagster/partition"
RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"


def range_tags(first: str, last: str) -> dict[str, str]:
    """Tags that make one run cover the partitions from first to last."""
    return {RANGE_START_TAG: first, RANGE_END_TAG: last}


def buckets_of_run(tags: Mapping[str, str], all_buckets: Sequence[str]) -> list[str]:
    """The partitions a run is about; all of them for one that has none, such as a run of checks alone."""
    first = tags.get(RANGE_START_TAG, tags.get(PARTITION_TAG))
    last = tags.get(RANGE_END_TAG, first)
    if first not in all_buckets or last not in all_buckets:
        return list(all_buckets)
    return list(all_buckets[all_buckets.index(first) : all_buckets.index(last) + 1])


def trigger_of(tags: Mapping[str, str]) -> str:
    if SCHEDULE_TAG in tags:
        return "schedule"
    return "backfill" if BACKFILL_TAG in tags else "manual"


def provenance_of(context: dg.OpExecutionContext, clock: Clock) -> Provenance:
    """run_date is the UTC day of the run's first op; ops of one run may pass midnight, so they hand it on."""
    return Provenance(context.run_id, clock.now().date().isoformat(), trigger_of(context.run_tags))


def selected_names(context: dg.OpExecutionContext) -> list[str]:
    """Names of the assets of this op's graph that the run is to materialize."""
    return sorted(key.path[-1] for key in context.selected_asset_keys)
