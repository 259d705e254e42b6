"""Changes end with whole UTC days, and nothing else does."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa

from manga_enrichment.domain.tables.changes import CATALOG_CHANGES, ENRICHED_CHANGES
from manga_enrichment.pipeline.changes.prune import prune_changes
from manga_enrichment.pipeline.store.object_keys import changes_prefix, requests_prefix, table_key, tombstones_key
from manga_enrichment_tests.fakes import MemoryTables

NOW = datetime(2026, 11, 28, 0, 30, tzinfo=UTC)


def test_days_older_than_the_setting_go_and_the_rest_stays() -> None:
    tables = MemoryTables()
    days = [(NOW - timedelta(days=back)).date().isoformat() for back in range(5)]
    for name in (CATALOG_CHANGES, ENRICHED_CHANGES):
        for day in days:
            tables.write(f"{changes_prefix(name, day)}one.parquet", pa.table({}))
    others = [table_key("catalog", "0"), tombstones_key("0"), f"{requests_prefix(days[4])}a.parquet"]
    for key in others:
        tables.write(key, pa.table({}))
    assert prune_changes(tables, NOW, 2) == {CATALOG_CHANGES: 2, ENRICHED_CHANGES: 2}
    kept = {
        f"{changes_prefix(name, day)}one.parquet" for name in (CATALOG_CHANGES, ENRICHED_CHANGES) for day in days[:3]
    }
    assert set(tables.objects) == {*kept, *others}
    assert prune_changes(tables, NOW, 2) == {CATALOG_CHANGES: 0, ENRICHED_CHANGES: 0}
