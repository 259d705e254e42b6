"""Which tables are compacted, and when an hour of them is over.

Belongs here: the list of tables that lie by hours. Stays out: merging (`pipeline/store/compaction.py`).
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType

from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.health.daily_costs import days_until
from manga_enrichment.pipeline.log.read import each_row_once
from manga_enrichment.pipeline.partner.stored.results import each_result_once
from manga_enrichment.pipeline.store.compaction import CompactionReport, compact
from manga_enrichment.pipeline.store.hour_groups import Once
from manga_enrichment.pipeline.store.hour_keys import hour_group
from manga_enrichment.pipeline.store.object_keys import partner_results_prefix, requests_prefix

OVER_SINCE = timedelta(hours=1)
DAYS_BACK = 4
"""A request waits up to three days, and its rows lie in the hour in which it was submitted."""

TABLES: Mapping[str, tuple[Callable[[str], str], Once]] = MappingProxyType(
    {
        "requests": (requests_prefix, each_row_once),
        "partner_results": (partner_results_prefix, each_result_once),
    }
)
"""Name -> its folder of a UTC day, and what makes two of its rows one."""


def compact_tables(objects: ObjectStore, now: datetime) -> dict[str, CompactionReport]:
    """By table. Raises StoreUnavailableError."""
    reports = {}
    for name, (folder_of, once) in TABLES.items():
        report = reports[name] = CompactionReport()
        for day in days_until(now.date(), DAYS_BACK):
            folder = folder_of(day)
            compact(objects, folder, once, hour_group(folder, now - OVER_SINCE), report)
    return reports
