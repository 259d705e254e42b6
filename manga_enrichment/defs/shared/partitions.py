"""The partitionings of the project: catalog buckets, as many as the settings say, and UTC days.

Belongs here: partitions and groups of them. Stays out: which run covers which (`defs/shared/tags.py`).
"""

import dagster as dg

from manga_enrichment.domain.catalog.records import bucket_keys

FIRST_DAY = "2026-01-01"


def catalog_partitions(bucket_count: int) -> dg.StaticPartitionsDefinition:
    return dg.StaticPartitionsDefinition(bucket_keys(bucket_count))


def utc_days() -> dg.DailyPartitionsDefinition:
    """Days in UTC on which requests were settled and costs arose; today's is open."""
    return dg.DailyPartitionsDefinition(FIRST_DAY, timezone="UTC", end_offset=1)


def partition_groups(keys: list[str], size: int) -> list[tuple[str, str]]:
    """(first, last) of consecutive groups of at most `size` keys: one run each."""
    return [(keys[start], keys[min(start + size, len(keys)) - 1]) for start in range(0, len(keys), size)]
