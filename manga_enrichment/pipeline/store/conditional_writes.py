"""Writes that other writers may race: an object is only put over the version that was read.

Belongs here: the compare-and-swap loop. Stays out: what is written.
"""

from collections.abc import Callable

import pyarrow as pa

from manga_enrichment.gateways.errors import WriteConflictError
from manga_enrichment.gateways.objects import ObjectStore, StoredTable

CONFLICT_TRIES = 8


def rewrite_table(objects: ObjectStore, key: str, change: Callable[[pa.Table | None], pa.Table]) -> StoredTable:
    """Replace a table by what `change` makes of it, and return that; a table that stays equal, its schema's metadata
    too, is not written.

    change: called again with the newer table when another writer was faster. Raises WriteConflictError when the object
    kept changing.
    """
    for _ in range(CONFLICT_TRIES):
        stored = objects.read(key)
        table = change(stored.table if stored else None)
        if stored is not None and _is_same(stored.table, table):
            return stored
        try:
            etag = objects.write(key, table, expected_etag=stored.etag if stored else None, new=stored is None)
        except WriteConflictError:
            continue
        return StoredTable(table, etag)
    raise WriteConflictError(f"{objects.uri(key)} kept changing under {CONFLICT_TRIES} writes")


def _is_same(one: pa.Table, other: pa.Table) -> bool:
    return one.equals(other) and (one.schema.metadata or {}) == (other.schema.metadata or {})
