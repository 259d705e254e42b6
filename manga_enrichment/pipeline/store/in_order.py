"""A stored table's titles from the first to the last, some thousands at a time.

Belongs here: reading tables side by side that are sorted by manga_id, in little memory. Stays out: what stands in them.
"""

from collections.abc import Collection, Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

TITLES_AT_ONCE = 1024


def batches_in_order(
    file: pq.ParquetFile, columns: Sequence[str] | None = None, at_once: int = TITLES_AT_ONCE
) -> Iterator[pa.Table]:
    """A table in parts by manga_id; one that is stored in another order is sorted first, whole.

    columns: those it lacks are left out; a path such as `candidates.list.element.manga_id` reads no more of a list.
    """
    ids = file.read(["manga_id"], use_threads=False).column("manga_id").combine_chunks()
    there = {*file.schema_arrow.names, *(file.schema.column(index).path for index in range(len(file.schema)))}
    wanted = None if columns is None else [name for name in columns if name in there]
    is_in_order = len(ids) < 2 or pc.all(pc.less_equal(ids[:-1], ids[1:])).as_py()
    del ids  # or they stay until the last part was taken
    if not is_in_order:
        whole = file.read(wanted, use_threads=False).sort_by("manga_id").combine_chunks()
        yield from (pa.Table.from_batches([batch]) for batch in whole.to_batches(max_chunksize=at_once))
    else:
        yield from (pa.Table.from_batches([b]) for b in file.iter_batches(at_once, columns=wanted, use_threads=False))


def paths_of(file: pq.ParquetFile, column: str, names: Collection[str]) -> list[str]:
    """Of a column of lists of structs, to read no more of each struct than these."""
    paths = (file.schema.column(index).path for index in range(len(file.schema)))
    return [path for path in paths if path.startswith(f"{column}.") and path.rpartition(".")[2] in names]


class InOrder:
    """Read forwards, once."""

    def __init__(
        self, file: pq.ParquetFile | None, columns: Sequence[str] | None = None, at_once: int = TITLES_AT_ONCE
    ) -> None:
        """file: None for a table that is not there. Readers of one open file at the same time need the same `at_once`:
        pyarrow keeps that in the file (findings/pyarrow-shared-batch-size.sh)."""
        self._batches = iter(()) if file is None else batches_in_order(file, columns, at_once)
        self._next: pa.Table | None = None
        self._nothing: pa.Table | None = None
        self._has_begun = False

    def between(self, first: str, last: str) -> pa.Table | None:
        """The titles from `first` to `last`, both included; those before are passed over. None of an empty table."""
        if not self._has_begun:  # whoever asks for nothing does not pay for the first titles either
            self._has_begun, self._next = True, next(self._batches, None)
            self._nothing = None if self._next is None else self._next.schema.empty_table()
        found = []
        while self._next is not None:
            ids = self._next.column("manga_id")
            start, end = (pc.sum(each(ids, limit)).as_py() for each, limit in ((pc.less, first), (pc.less_equal, last)))
            found.append(self._next.slice(start, end - start))
            if end < len(ids):
                self._next = self._next.slice(end)
                break
            self._next = next(self._batches, None)
        return None if self._nothing is None else pa.concat_tables([self._nothing, *found])


def beside(ids: pa.Array, part: pa.Table | None, column: str) -> pa.Array:
    """The part's values of a column for these titles, in their order; null where the part has none."""
    if part is None or column not in part.column_names:
        return pa.nulls(len(ids), pa.string())
    values = part.column(column).combine_chunks()
    return values.take(pc.index_in(ids, value_set=part.column("manga_id").combine_chunks()))
