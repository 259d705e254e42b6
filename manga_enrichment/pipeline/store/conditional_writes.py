"""Writes that other writers may race: an object is only put over the version that was read.

Belongs here: the conditional put and the append to the requests log built on it. Stays out: what is written.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from manga_enrichment.gateways.errors import WriteConflictError
from manga_enrichment.gateways.objects import ObjectStore, StoredTable
from manga_enrichment.pipeline.store.rows import union_requests

CONFLICT_TRIES = 8


def replace_table(tables: ObjectStore, key: str, stored: StoredTable | None, table: pa.Table) -> bool:
    """Put `table` over the version that was read; False when another writer was faster. Equal tables are kept."""
    if stored is not None and stored.table.equals(table):
        return True
    try:
        tables.write(key, table, expected_etag=stored.etag if stored else None, new=stored is None)
    except WriteConflictError:
        return False
    return True


def append_requests(tables: ObjectStore, key: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add rows to one object of the requests log; rows that are there already change nothing.

    Raises WriteConflictError when it kept changing.
    """
    for _ in range(CONFLICT_TRIES):
        stored = tables.read(key)
        if replace_table(tables, key, stored, union_requests(stored.table if stored else None, rows)):
            return
    raise WriteConflictError(f"{tables.uri(key)} kept changing under {CONFLICT_TRIES} writes")
