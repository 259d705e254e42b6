"""Lists that were paid for, and what they were drawn from, as columns.

Belongs here: `similar_candidates` and the table beside it, many lists at a time. Stays out: which lists are replaced
(`refresh.py`), one list at a time (`tables.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from manga_enrichment.domain.analyses.base import Candidate
from manga_enrichment.domain.prompts.candidates import CANDIDATE_COLUMNS
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.candidates.matrix import ID_PREFIX, NO_TITLE, Matrix
from manga_enrichment.pipeline.candidates.method import METHOD_VERSION
from manga_enrichment.pipeline.candidates.terms import Numbers
from manga_enrichment.pipeline.store.arrow_types import arrow_schema
from manga_enrichment.pipeline.store.object_keys import drawn_key, table_key

_SCHEMA = arrow_schema(CANDIDATE_COLUMNS)
_LIST = _SCHEMA.field("candidates").type
_DRAWN = pa.schema([("manga_id", pa.string()), ("digest", pa.uint64()), ("method", pa.string()), ("waiting", _LIST)])
LISTS_AT_ONCE = 10_000
"""With their texts they take 30 MB, and as much again while they are written."""

EARLIER = "1"
"""The method of lists beside which nothing is recorded."""


class Stored:
    """A bucket's table `similar_candidates`."""

    def __init__(self, table: pa.Table) -> None:
        self._ids = table.column("manga_id").combine_chunks()
        lists = _whole(table.column("candidates"))
        self._offsets = np.asarray(lists.offsets)
        self._values = lists.values
        self._starts, self._lengths = self._offsets[:-1], np.diff(self._offsets)

    def places(self, ids: Sequence[str]) -> Numbers:
        """Where each title's list is; NO_TITLE for one without."""
        return _places(ids, self._ids)

    def members(self, places: Numbers, matrix: Matrix) -> tuple[Numbers, Numbers]:
        """(rows of the matrix, NO_TITLE for who left; number of the title whose list it is in) of all lists."""
        at, owners = self._elements(places)
        different = self._values.field("manga_id").dictionary_encode()  # many lists name the same titles
        rows = matrix.rows_of(different.dictionary)
        return rows[np.asarray(different.indices)[at]], owners

    def with_fresh(
        self,
        ids: Sequence[str],
        places: Numbers,
        take: Numbers,
        fresh: Numbers,
        matrix: Matrix,
        at_once: int = LISTS_AT_ONCE,
    ) -> pa.RecordBatchReader:
        """The table of today, so many lists at a time: fresh ones where `take` says so, the stored ones elsewhere."""
        parts = (slice(at, at + at_once) for at in range(0, len(ids), at_once))
        tables = (self._part(ids[part], places[part], take[part], fresh[part], matrix) for part in parts)
        return pa.RecordBatchReader.from_batches(_SCHEMA, chain.from_iterable(map(pa.Table.to_batches, tables)))

    def _part(self, ids: Sequence[str], places: Numbers, take: Numbers, fresh: Numbers, matrix: Matrix) -> pa.Table:
        new_values, new_lengths = _fresh_values(fresh, take, matrix)
        is_kept = ~take & (places != NO_TITLE)
        kept = np.where(is_kept, places, 0)
        lengths = np.where(is_kept, np.append(self._lengths, 0)[kept], new_lengths)
        starts = np.where(is_kept, np.append(self._starts, 0)[kept], np.cumsum(new_lengths) - new_lengths)
        breaks = np.flatnonzero((np.diff(is_kept) != 0) | (starts[1:] != (starts + lengths)[:-1])) + 1
        pieces = [
            (self._values if is_kept[first] else new_values).slice(starts[first], lengths[first:end].sum())
            for first, end in pairwise([0, *breaks.tolist(), len(ids)])
        ]
        return _table(ids, pieces[0] if len(pieces) == 1 else pa.concat_arrays(pieces), lengths)

    def _elements(self, places: Numbers) -> tuple[Numbers, Numbers]:
        """(places among the values, number of the title) of the lists in these places."""
        owners = np.flatnonzero(places != NO_TITLE)
        lengths = self._lengths[places[owners]]
        before = np.cumsum(lengths) - lengths
        at = np.arange(lengths.sum()) + np.repeat(self._starts[places[owners]] - before, lengths)
        return at.astype(np.int64), np.repeat(owners, lengths)


@dataclass(frozen=True, slots=True)
class Drawn:
    """For each title of a bucket: the digest that its list was drawn for, if recorded, and by which method."""

    digests: Numbers
    has_digest: Numbers
    _methods: Numbers

    def is_earlier(self, places: Numbers) -> Numbers:
        """Whether the title has a list, and of another method than today's, for titles in order."""
        return np.asarray((places != NO_TITLE) & (self._methods != METHOD_VERSION))

    @staticmethod
    def table(ids: Sequence[str], digests: Numbers, waiting: Numbers, fresh: Numbers, matrix: Matrix) -> pa.Table:
        """What is recorded. waiting: where the list is still one of an earlier method; fresh: would replace it."""
        lists = _whole(_table(ids, *_fresh_values(fresh, waiting, matrix)).column("candidates"))
        methods = np.where(waiting, EARLIER, METHOD_VERSION)
        return pa.table([pa.array(ids, pa.string()), pa.array(digests, pa.uint64()), pa.array(methods), lists], _DRAWN)


def read_stored(tables: ObjectStore, bucket: str) -> Stored:
    stored = tables.read(table_key("similar_candidates", bucket))
    return Stored(_SCHEMA.empty_table() if stored is None else stored.table)


def read_drawn(tables: ObjectStore, bucket: str, ids: Sequence[str]) -> Drawn:
    stored = tables.read(drawn_key(bucket), ["manga_id", "digest", "method"])
    table = _DRAWN.empty_table() if stored is None else stored.table
    places = _places(ids, table.column("manga_id").combine_chunks())
    known = places != NO_TITLE
    digests = np.zeros(len(ids), np.uint64)
    digests[known] = np.asarray(table.column("digest"))[places[known]]
    methods = np.full(len(ids), EARLIER, "U16")
    methods[known] = np.array(table.column("method").to_pylist(), "U16")[places[known]]
    return Drawn(digests, known, methods)


def read_waiting(tables: ObjectStore, bucket: str) -> dict[str, tuple[Candidate, ...]]:
    """manga_id -> the list that will replace the stored one of an earlier method when its turn comes."""
    stored = tables.read(drawn_key(bucket), ["manga_id", "waiting"])
    if stored is None:
        return {}
    rows = stored.table.filter(pc.greater(pc.list_value_length(stored.table.column("waiting")), 0)).to_pylist()
    return {row["manga_id"]: tuple(Candidate(**each) for each in row["waiting"]) for row in rows}


def _whole(column: pa.ChunkedArray) -> pa.Array:
    """Not copied where it is in one piece, as `combine_chunks` would."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _places(wanted: Sequence[str], among: pa.Array) -> Numbers:
    return np.asarray(pc.fill_null(pc.index_in(pa.array(wanted, pa.string()), among), NO_TITLE), np.int64)


def _fresh_values(fresh: Numbers, take: Numbers, matrix: Matrix) -> tuple[pa.Array, Numbers]:
    """(candidates, how many of each title) of the fresh lists where `take` says so."""
    is_taken = (fresh != NO_TITLE) & take[:, None]
    rows, places = np.unique(fresh[is_taken], return_inverse=True)
    return _shown(rows, matrix).take(pa.array(places.astype(np.int64))), is_taken.sum(axis=1)


def _shown(rows: Numbers, matrix: Matrix) -> pa.Array:
    """These titles as candidates."""
    lengths, texts = matrix.texts_of(rows)
    ends = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    joined = pa.StringArray.from_buffers(len(rows), pa.py_buffer(ends), pa.py_buffer(np.ascontiguousarray(texts)))
    parts = pc.split_pattern(joined, "\0", max_splits=1)
    ids = pc.binary_join_element_wise(ID_PREFIX, pa.array(matrix.ids[rows].astype("U8"), pa.string()), "")
    columns = {"manga_id": ids, "title": pc.list_element(parts, 0), "hint": pc.list_element(parts, 1)}
    kind = _LIST.value_type
    return pa.StructArray.from_arrays([columns[field.name] for field in kind], fields=list(kind))


def _table(ids: Sequence[str], values: pa.Array, lengths: Numbers) -> pa.Table:
    """lengths: how many of the values each title has."""
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    lists = pa.ListArray.from_arrays(pa.array(offsets), values, type=_LIST)
    return pa.table([pa.array(ids, pa.string()), lists], _SCHEMA)
