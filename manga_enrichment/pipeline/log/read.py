"""Reading the requests log.

Belongs here: every row of a day, once. Stays out: sums over them (`pipeline/health/daily_costs.py`), writing
(`append.py`).
"""

from collections.abc import Iterator, Sequence

import pyarrow as pa

from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.log.rows import KEY, REQUEST_SCHEMA
from manga_enrichment.pipeline.store.hour_groups import first_of_each, joined, read_once
from manga_enrichment.pipeline.store.object_keys import requests_prefix


def read_log(objects: ObjectStore, day: str, columns: Sequence[str]) -> Iterator[pa.Table]:
    """The rows logged under one UTC day: a title run's object, or an hour of partners' rows, at a time.

    Columns that older objects lack are null.
    """
    nothing = REQUEST_SCHEMA.empty_table().select(list(columns))
    for table in read_once(objects, requests_prefix(day), each_row_once, columns, KEY):
        yield joined([nothing, table]).select(list(columns))


def each_row_once(table: pa.Table) -> pa.Table:
    """Of partners' rows, of which two objects may tell."""
    return first_of_each(table, KEY)
