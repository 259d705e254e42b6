"""Tables whose objects lie by hours: one row may be in several objects of its hour, and whoever reads takes it once.

Belongs here: which objects are read together, reading beside compaction, rows that are there twice. Stays out: merging
them for good (`compaction.py`), keys (`hour_keys.py`).
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

import pyarrow as pa

from manga_enrichment.gateways.errors import WriteConflictError
from manga_enrichment.gateways.objects import ObjectStore, StoredTable
from manga_enrichment.pipeline.store.hour_keys import group_of

READ_TRIES = 8
_PLACE = "__place"

Once = Callable[[pa.Table], pa.Table]
"""Takes the rows of an hour, gives each once."""


def read_once(
    objects: ObjectStore, folder: str, once: Once, columns: Sequence[str] | None = None, keys: Sequence[str] = ()
) -> Iterator[pa.Table]:
    """What lies in a folder: the objects of an hour together, each row once; any other object as it is.

    columns: None for all. keys: those that `once` looks at; they are in an hour's table, too.
    """
    in_hours = None if columns is None else list(dict.fromkeys([*columns, *keys]))
    for group, found in groupby(sorted(objects.list_keys(folder), key=group_of), key=group_of):
        if group:
            parts = read_group(objects, group, in_hours).values()
            if parts:
                yield once(joined([each.table for each in parts]))
            continue
        for key in found:
            stored = objects.read(key, columns)
            if stored is not None:
                yield stored.table


def read_group(objects: ObjectStore, group: str, columns: Sequence[str] | None = None) -> dict[str, StoredTable]:
    """The objects of an hour by key, as they were at one moment.

    What is deleted while it is read was merged into another object before, so all are listed again. Raises
    WriteConflictError when they kept changing.
    """
    for _ in range(READ_TRIES):
        found = {key: objects.read(key, columns) for key in objects.list_keys(group) if group_of(key) == group}
        there = {key: stored for key, stored in found.items() if stored is not None}
        if len(there) == len(found):
            return there
    raise WriteConflictError(f"{objects.uri(group)} kept changing under {READ_TRIES} looks")


def joined(tables: Sequence[pa.Table]) -> pa.Table:
    """An older object may lack columns of later ones."""
    return pa.concat_tables(tables, promote_options="default").combine_chunks()


def first_of_each(table: pa.Table, keys: Sequence[str]) -> pa.Table:
    """The first row of those that are equal in these columns, in the order they had."""
    numbered = table.select(keys).append_column(_PLACE, pa.array(range(table.num_rows), pa.int64()))
    firsts = numbered.group_by(list(keys), use_threads=False).aggregate([(_PLACE, "min")]).column(f"{_PLACE}_min")
    return table if len(firsts) == table.num_rows else table.take(firsts.combine_chunks().sort())
