"""Two versions of a table compared, title by title and column by column.

Belongs here: pure functions from tables to rows. Stays out: which versions those are (`replace.py`).

Columns are compared whole and in Arrow; only values that differ become Python's. A table may come in parts, each of
which is compared with the titles up to its last of the other.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from manga_enrichment.domain.tables.changes import CHANGE_COLUMNS, ChangeKind
from manga_enrichment.pipeline.store.arrow_types import arrow_schema, whole
from manga_enrichment.pipeline.store.spool import Spool

CHANGE_SCHEMA = arrow_schema(CHANGE_COLUMNS)
_COMPARED = pa.schema([CHANGE_SCHEMA.field(index) for index in range(5)])
_ROWS_PER_BATCH = 4096
_WHOLE_ROWS = (ChangeKind.ADDED, ChangeKind.REMOVED)


class Compared(Spool):
    """Changes with the first columns of CHANGE_SCHEMA: titles that came, titles that left, then column by column.

    titles: by kind; values: how many changed.
    """

    def __init__(self) -> None:
        super().__init__(_COMPARED)
        self.titles = Counter({kind.value: 0 for kind in ChangeKind})
        self.values = 0

    def take(self, old: pa.Table, new: pa.Table) -> None:
        """Compare all of two tables, or the next titles of both: each manga_id in one call, once on either side."""
        if old.equals(new):
            return
        ids, old_ids = whole(new.column("manga_id")), whole(old.column("manga_id"))
        places = pc.index_in(ids, value_set=old_ids)
        stayed = places.is_valid()
        self._titles(new.filter(pc.invert(stayed)) if old.num_rows else new, ChangeKind.ADDED)
        self._titles(old.filter(pc.invert(pc.is_in(old_ids, value_set=ids))), ChangeKind.REMOVED)
        stayed_ids, at = ids.filter(stayed), places.drop_null()
        changed = []
        for rank, column in enumerate(new.schema, len(_WHOLE_ROWS)):
            before = _before(old, column).take(at)
            cells = _cells(column.name, stayed_ids, before, whole(new.column(column.name)).filter(stayed))
            self.add(cells, rank)
            self.values += cells.num_rows
            changed.append(cells.column("manga_id"))
        self.titles[ChangeKind.CHANGED.value] += pc.count_distinct(pa.chunked_array(changed, pa.string())).as_py()

    def removed(self) -> pa.Table:
        """The titles that left."""
        return self.of_rank(_WHOLE_ROWS.index(ChangeKind.REMOVED))

    def some(self, count: int) -> list[dict[str, Any]]:
        """So many rows for people: values that changed before titles that came and left, of which it is said alone."""
        parts = sorted(self._parts, key=itemgetter(0))
        values = [part for rank, part in parts if rank >= len(_WHOLE_ROWS)]
        found: list[dict[str, Any]] = []
        for part in values or (part for _, part in parts):
            found += self._read(part).slice(0, count - len(found)).to_pylist()
            if len(found) == count:
                break
        return found

    def _titles(self, rows: pa.Table, kind: ChangeKind) -> None:
        self.titles[kind.value] += rows.num_rows
        for start in range(0, rows.num_rows, _ROWS_PER_BATCH):
            self.add(_rows(rows.slice(start, _ROWS_PER_BATCH), kind), _WHOLE_ROWS.index(kind))


def compare(old: pq.ParquetFile | None, new: Iterable[pa.Table]) -> Compared:
    """Both are sorted by manga_id and have each once; the new table comes in parts."""
    compared = Compared()
    before = None if old is None else _Earlier(old)
    for part in new:
        compared.take(part.schema.empty_table() if before is None else before.up_to(part), part)
    if before is not None:
        rest = before.rest()
        compared.take(rest, rest.schema.empty_table())
    return compared


class _Earlier:
    """The titles of a stored table, from the first to the last."""

    def __init__(self, file: pq.ParquetFile) -> None:
        self._schema = file.schema_arrow
        self._batches = file.iter_batches(_ROWS_PER_BATCH, use_threads=False)  # each would touch memory of its own
        self._next: pa.RecordBatch | None = next(self._batches, None)

    def up_to(self, part: pa.Table) -> pa.Table:
        """Those that are not after the last of the part."""
        found = []
        while self._next is not None and part.num_rows:
            ids = self._next.column("manga_id")
            count = pc.sum(pc.less_equal(ids, part.column("manga_id")[-1])).as_py() or 0
            found.append(self._next.slice(0, count))
            if count < len(ids):
                self._next = self._next.slice(count)
                break
            self._next = next(self._batches, None)
        return pa.Table.from_batches(found, self._schema)

    def rest(self) -> pa.Table:
        found = [] if self._next is None else [self._next, *self._batches]
        return pa.Table.from_batches(found, self._schema)


def json_rows(table: pa.Table) -> Iterator[str]:
    """Each row as JSON, without nulls; times in ISO 8601."""
    for batch in table.to_batches(max_chunksize=_ROWS_PER_BATCH):
        for row in batch.to_pylist():
            yield orjson.dumps({name: value for name, value in row.items() if value is not None}).decode()


def differ(one: pa.Array, other: pa.Array) -> pa.Array:
    """Where two arrays of one type and length differ; lists and structs are compared by what is in them."""
    nulls = pc.xor(one.is_null(), other.is_null())
    if pa.types.is_struct(one.type):
        inside: pa.Array = pa.repeat(pa.scalar(value=False), len(one))
        for index in range(one.type.num_fields):
            inside = pc.or_(inside, differ(pc.struct_field(one, [index]), pc.struct_field(other, [index])))
    elif pa.types.is_list(one.type):
        inside = _lists_differ(one, other)
    else:
        inside = pc.fill_null(pc.not_equal(one, other), fill_value=False)
    return pc.or_(nulls, inside)


def _lists_differ(one: pa.Array, other: pa.Array) -> pa.Array:
    """Those of one length by their elements, the others at sight."""
    lengths = pc.not_equal(pc.list_value_length(one), pc.list_value_length(other))
    alike = pc.fill_null(pc.invert(lengths), fill_value=False)
    rows = pc.indices_nonzero(alike)
    ones, others = one.take(rows), other.take(rows)
    owners = pc.list_parent_indices(ones).filter(differ(pc.list_flatten(ones), pc.list_flatten(others)))
    changed = rows.take(pc.unique(owners))
    everywhere = pa.array(range(len(one)), changed.type)
    return pc.or_(pc.fill_null(lengths, fill_value=False), pc.is_in(everywhere, value_set=changed))


def _cells(field: str, ids: pa.Array, before: pa.Array, after: pa.Array) -> pa.Table:
    if before.equals(after):
        return _COMPARED.empty_table()
    changed = differ(before, after)
    found = ids.filter(changed)
    values = _json_values(before.filter(changed)), _json_values(after.filter(changed))
    return _table(found, ChangeKind.CHANGED, [field] * len(found), *values)


def _rows(titles: pa.Table, kind: ChangeKind) -> pa.Table:
    nothing, rows = [None] * titles.num_rows, list(json_rows(titles))
    values = (nothing, rows) if kind is ChangeKind.ADDED else (rows, nothing)
    return _table(whole(titles.column("manga_id")), kind, nothing, *values)


def _table(
    ids: pa.Array, kind: ChangeKind, fields: Sequence[Any], before: Sequence[Any], after: Sequence[Any]
) -> pa.Table:
    columns = [ids, [kind.value] * len(ids), fields, before, after]
    return pa.table(
        [pa.array(column, field.type) for column, field in zip(columns, _COMPARED, strict=True)], schema=_COMPARED
    )


def _json_values(values: pa.Array) -> list[str | None]:
    return [None if value is None else orjson.dumps(value).decode() for value in values.to_pylist()]


def _before(old: pa.Table, column: pa.Field) -> pa.Array:
    """An earlier release may lack a column, or have it of another type: nobody knew its value then."""
    if column.name not in old.column_names or old.schema.field(column.name).type != column.type:
        return pa.nulls(old.num_rows, column.type)
    return whole(old.column(column.name))
