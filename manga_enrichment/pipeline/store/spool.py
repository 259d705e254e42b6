"""Rows that wait on disk, since all of them at once would not fit in memory.

Belongs here: a table in parts, written and read back. Stays out: what is in it.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import Self

import pyarrow as pa

_MEMORY_BYTES = 8 * 1024 * 1024
"""Up to so many no file is made."""
_BATCH_BYTES = 8 * 1024 * 1024


class Spool:
    """Parts of one table: by rank, and within a rank in the order they came. Can be read as often as one likes, also
    before more is added."""

    def __init__(self, schema: pa.Schema, folder: Path | None = None) -> None:
        """folder: where it may write; None: the system's temporary folder."""
        self.schema = schema
        self._file = SpooledTemporaryFile(_MEMORY_BYTES, dir=str(folder) if folder else None)  # noqa: SIM115 - closed when the spool is left
        self._places: list[tuple[int, int, int]] = []
        self._end = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def add(self, rows: pa.Table | pa.RecordBatch, rank: int = 0) -> None:
        """Rows of the spool's schema."""
        if not rows.num_rows:
            return
        batches = [rows] if isinstance(rows, pa.RecordBatch) else rows.combine_chunks().to_batches()
        self._file.seek(self._end)
        for batch in batches:
            body = batch.serialize()
            self._file.write(memoryview(body))
            self._places.append((rank, self._end, body.size))
            self._end += body.size

    def __iter__(self) -> Iterator[pa.Table]:
        """All parts, each in memory for as long as it is held; an empty one where there is none."""
        for _rank, start, size in sorted(self._places, key=lambda place: place[0]):
            yield self._part(start, size)
        if not self._places:
            yield self.schema.empty_table()

    @property
    def has_rows(self) -> bool:
        return bool(self._places)

    def of_rank(self, rank: int) -> pa.Table:
        """The parts of one rank as one table."""
        parts = [self._part(start, size) for each, start, size in self._places if each == rank]
        return pa.concat_tables([self.schema.empty_table(), *parts])

    def _part(self, start: int, size: int) -> pa.Table:
        self._file.seek(start)
        body = pa.py_buffer(self._file.read(size))
        return pa.Table.from_batches([pa.ipc.read_record_batch(body, self.schema)])


def reader_of(parts: Iterable[pa.Table], schema: pa.Schema) -> pa.RecordBatchReader:
    """Parts as an object store takes them, small ones put together. schema: theirs, perhaps with metadata."""
    return pa.RecordBatchReader.from_batches(schema, _batches(parts))


def _batches(parts: Iterable[pa.Table]) -> Iterator[pa.RecordBatch]:
    waiting: list[pa.Table] = []
    waiting_bytes = 0
    for part in parts:
        waiting.append(part)
        waiting_bytes += part.nbytes
        if waiting_bytes >= _BATCH_BYTES:
            yield from pa.concat_tables(waiting).combine_chunks().to_batches()
            waiting.clear()
            waiting_bytes = 0
    yield from pa.concat_tables(waiting).combine_chunks().to_batches() if waiting else ()
