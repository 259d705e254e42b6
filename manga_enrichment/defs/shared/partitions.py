"""The one partitioning of the project: catalog buckets, as many as the settings say."""

import dagster as dg

from manga_enrichment.domain.catalog.records import bucket_keys


def catalog_partitions(bucket_count: int) -> dg.StaticPartitionsDefinition:
    return dg.StaticPartitionsDefinition(bucket_keys(bucket_count))


def partition_groups(keys: list[str], size: int) -> list[tuple[str, str]]:
    """(first, last) of consecutive groups of at most `size` keys: one run each."""
    return [(keys[start], keys[min(start + size, len(keys)) - 1]) for start in range(0, len(keys), size)]
