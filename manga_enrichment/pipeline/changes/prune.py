"""Changes that are older than they are kept for, deleted by whole UTC days.

Belongs here: which days those are. Stays out: how long (`manga_enrichment/settings/variables.py`), when
(`defs/operations/`).
"""

from datetime import datetime, timedelta

from manga_enrichment.domain.tables.changes import CATALOG_CHANGES, ENRICHED_CHANGES
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.store.object_keys import changes_prefix

TABLES = (CATALOG_CHANGES, ENRICHED_CHANGES)


def prune_changes(objects: ObjectStore, now: datetime, days: int) -> dict[str, int]:
    """Objects deleted by table: those of the UTC days that ended `days` or more days ago."""
    first_kept = (now - timedelta(days=days)).date().isoformat()
    deleted = dict.fromkeys(TABLES, 0)
    for changes in TABLES:
        prefix = changes_prefix(changes)
        for key in objects.list_keys(prefix):
            if key.removeprefix(prefix).partition("/")[0].removeprefix("date=") < first_kept:
                objects.delete(key)
                deleted[changes] += 1
    return deleted
