"""Lists that were paid for, and what they were drawn from, as columns.

Belongs here: `similar_candidates` and the table beside it, many lists at a time. Stays out: which lists are replaced
(`refresh.py`), one list at a time (`tables.py`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from manga_enrichment.domain.analyses.base import Candidate
from manga_enrichment.domain.prompts.candidates import CANDIDATE_COLUMNS
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.candidates.matrix import ID_PREFIX, NO_TITLE, Matrix
from manga_enrichment.pipeline.candidates.method import METHOD_VERSION
from manga_enrichment.pipeline.candidates.terms import Numbers
from manga_enrichment.pipeline.store.arrow_types import arrow_schema
from manga_enrichment.pipeline.store.in_order import batches_in_order
from manga_enrichment.pipeline.store.object_keys import drawn_key, table_key

_SCHEMA = arrow_schema(CANDIDATE_COLUMNS)
_LIST = _SCHEMA.field("candidates").type
_NONE = np.zeros(0, np.int32)
_DRAWN = pa.schema([("manga_id", pa.string()), ("digest", pa.uint64()), ("method", pa.string()), ("waiting", _LIST)])
LISTS_AT_ONCE = 5_000
"""With their texts they take 20 MB, and as much again while they are read and while they are written."""

READ_AT_ONCE = 2_500

EARLIER = "1"
"""The method of lists beside which nothing is recorded."""


class Stored:
    """A bucket's table `similar_candidates`: who is in which list. Texts are read when they are written again, some
    lists at a time."""

    def __init__(self, file: pq.ParquetFile | None, matrix: Matrix, at_once: int = READ_AT_ONCE) -> None:
        self._file, self._matrix, self._at_once = file, matrix, at_once
        ids, lengths, members = [_SCHEMA.empty_table().column("manga_id").combine_chunks()], [_NONE], [_NONE]
        for batch in _batches(file, at_once, ["manga_id", *_ids_of_candidates(file)]):
            lists = batch.column("candidates")
            different = lists.flatten().field("manga_id").dictionary_encode()  # many lists name the same titles
            ids.append(batch.column("manga_id"))
            lengths.append(np.diff(lists.offsets))
            members.append(matrix.rows_of(different.dictionary)[np.asarray(different.indices)])
        self._ids = pa.concat_arrays(ids)
        self._lengths, self._members = (np.concatenate(each) for each in (lengths, members))
        self._starts = np.cumsum(self._lengths, dtype=np.int64) - self._lengths
        self._first, self._end, self._here = 0, 0, pa.array([], _LIST.value_type)
        self._reading = _batches(self._file, self._at_once, _SCHEMA.names)

    def places(self, ids: Sequence[str]) -> Numbers:
        """Where each title's list is; NO_TITLE for one without."""
        return _places(ids, self._ids)

    def members(self, places: Numbers) -> tuple[Numbers, Numbers]:
        """(a row of each list with its members' rows in the matrix, NO_TITLE for who left and behind the last; how many
        members each has)"""
        lengths = np.append(self._lengths, 0)[places]
        number = np.arange(lengths.max(initial=0))
        is_member = number < lengths[:, None]
        found = np.full(is_member.shape, NO_TITLE, np.int32)
        found[is_member] = self._members[(np.append(self._starts, 0)[places][:, None] + number)[is_member]]
        return found, lengths

    def with_fresh(
        self, ids: Sequence[str], places: Numbers, take: Numbers, fresh: Numbers, at_once: int = LISTS_AT_ONCE
    ) -> pa.RecordBatchReader:
        """The table of today, so many lists at a time: fresh ones where `take` says so, the stored ones elsewhere."""
        parts = (slice(at, at + at_once) for at in range(0, len(ids), at_once))
        batches = (self._part(ids[part], places[part], take[part], fresh[part]) for part in parts)
        return pa.RecordBatchReader.from_batches(_SCHEMA, batches)

    def _part(self, ids: Sequence[str], places: Numbers, take: Numbers, fresh: Numbers) -> pa.RecordBatch:
        new_values, lengths = _fresh_values(fresh, take, self._matrix)
        starts = np.cumsum(lengths) - lengths
        is_kept = ~take & (places != NO_TITLE)
        kept = places[is_kept]
        order = np.argsort(kept, kind="stable")
        old_values = pa.concat_arrays([new_values[:0], *self._values(kept[order])])
        lengths[is_kept] = self._lengths[kept]
        starts[np.flatnonzero(is_kept)[order]] = np.cumsum(self._lengths[kept[order]]) - self._lengths[kept[order]]
        breaks = np.flatnonzero((np.diff(is_kept) != 0) | (starts[1:] != (starts + lengths)[:-1])) + 1
        pieces = [
            (old_values if is_kept[first] else new_values).slice(starts[first], lengths[first:end].sum())
            for first, end in pairwise([0, *breaks.tolist(), len(ids)])
        ]
        values = pieces[0] if len(pieces) == 1 else pa.concat_arrays(pieces)
        return pa.RecordBatch.from_arrays([pa.array(ids, pa.string()), _lists(values, lengths)], schema=_SCHEMA)

    def _values(self, places: Numbers) -> Iterator[pa.Array]:
        """What is in the lists in these places, ascending."""
        at = 0
        while at < len(places):
            if places[at] < self._first:
                self._first = self._end = 0
                self._reading = _batches(self._file, self._at_once, _SCHEMA.names)
            while self._end <= places[at]:
                batch = next(self._reading)
                self._first, self._end = self._end, self._end + len(batch)
                self._here = batch.column("candidates").flatten()
            end = int(np.searchsorted(places, self._end))
            breaks = at + 1 + np.flatnonzero(np.diff(places[at:end]) != 1)
            starts = self._starts[places[at:end]] - self._starts[self._first]
            ends = starts + self._lengths[places[at:end]]
            for first, last in pairwise([at, *breaks.tolist(), end]):
                yield self._here[starts[first - at] : ends[last - 1 - at]]
            at = end


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
    def rows(
        ids: Sequence[str], digests: Numbers, waiting: Numbers, fresh: Numbers, matrix: Matrix
    ) -> pa.RecordBatchReader:
        """What is recorded. waiting: where the list is still one of an earlier method; fresh: would replace it."""
        parts = (slice(at, at + LISTS_AT_ONCE) for at in range(0, len(ids), LISTS_AT_ONCE))
        of_parts = (
            [
                pa.array(ids[part], pa.string()),
                pa.array(digests[part], pa.uint64()),
                pa.array(np.where(waiting[part], EARLIER, METHOD_VERSION)),
                _lists(*_fresh_values(fresh[part], waiting[part], matrix)),
            ]
            for part in parts
        )
        batches = (pa.RecordBatch.from_arrays(columns, schema=_DRAWN) for columns in of_parts)
        return pa.RecordBatchReader.from_batches(_DRAWN, batches)


def read_stored(tables: ObjectStore, bucket: str, matrix: Matrix) -> Stored:
    stored = tables.open(table_key("similar_candidates", bucket))
    return Stored(None if stored is None else stored.file, matrix)


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


def waiting_lists(tables: ObjectStore, bucket: str) -> Iterator[tuple[pa.Array, dict[str, tuple[Candidate, ...]]]]:
    """Some thousand titles at a time, by id: (those that have one, manga_id -> the list that will replace the stored
    one of an earlier method when its turn comes)."""
    stored = tables.open(drawn_key(bucket))
    parts = () if stored is None else batches_in_order(stored.file, ["manga_id", "waiting"])
    for part in parts:
        rows = part.filter(pc.greater(pc.list_value_length(part.column("waiting")), 0)).combine_chunks()
        if rows.num_rows:
            lists = {row["manga_id"]: tuple(Candidate(**each) for each in row["waiting"]) for row in rows.to_pylist()}
            yield pa.array(lists, pa.string()), lists


def _batches(file: pq.ParquetFile | None, at_once: int, columns: list[str]) -> Iterator[pa.RecordBatch]:
    if file is not None:
        yield from file.iter_batches(at_once, columns=columns, use_threads=False)


def _ids_of_candidates(file: pq.ParquetFile | None) -> list[str]:
    """The path of this column, whose middle differs by who wrote the file."""
    paths = [] if file is None else [file.schema.column(number).path for number in range(len(file.schema))]
    return [path for path in paths if path.startswith("candidates.") and path.endswith(".manga_id")]


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


def _lists(values: pa.Array, lengths: Numbers) -> pa.Array:
    """lengths: how many of the values each title has."""
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), values, type=_LIST)
