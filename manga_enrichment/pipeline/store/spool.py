"""Rows that wait on disk, since all of them at once would not fit in memory.

Belongs here: a table in parts, written and read back. Stays out: what is in it.
"""

from collections.abc import Iterable, Iterator
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import BinaryIO, Self

import pyarrow as pa

_MEMORY_BYTES = 1024 * 1024
"""Up to so many no file is made."""
_BATCH_BYTES = 8 * 1024 * 1024


class Spool:
    """Parts of one table: by rank, and within a rank in the order they came. Can be read as often as one likes, also
    before more is added."""

    def __init__(self, schema: pa.Schema, folder: Path | None = None) -> None:
        """folder: where it may write; None: the system's temporary folder."""
        self.schema = schema
        self._folder = folder
        self._file: BinaryIO | None = None
        self._end = 0
        self._held_bytes = 0
        self._parts: list[tuple[int, pa.Table | tuple[int, int]]] = []
        """Each with its rank: in memory, or its place and size in the file."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, rows: pa.Table, rank: int = 0) -> None:
        """Rows of the spool's schema."""
        if not rows.num_rows:
            return
        size_bytes = rows.get_total_buffer_size()
        if self._held_bytes + size_bytes <= _MEMORY_BYTES:
            self._held_bytes += size_bytes
            self._parts.append((rank, rows))
            return
        if self._file is None:
            self._file = TemporaryFile(dir=self._folder)  # noqa: SIM115 - closed when the spool is left
        self._file.seek(self._end)
        for batch in rows.combine_chunks().to_batches():
            body = batch.serialize()
            self._file.write(memoryview(body))
            self._parts.append((rank, (self._end, body.size)))
            self._end += body.size

    def __iter__(self) -> Iterator[pa.Table]:
        """All parts, each in memory for as long as it is held; an empty one where there is none."""
        for _rank, part in sorted(self._parts, key=itemgetter(0)):
            yield self._read(part)
        if not self._parts:
            yield self.schema.empty_table()

    @property
    def has_rows(self) -> bool:
        return bool(self._parts)

    def of_rank(self, rank: int) -> pa.Table:
        """The parts of one rank as one table."""
        parts = [self._read(part) for each, part in self._parts if each == rank]
        return pa.concat_tables([self.schema.empty_table(), *parts])

    def _read(self, part: pa.Table | tuple[int, int]) -> pa.Table:
        if isinstance(part, pa.Table) or self._file is None:
            return part
        start, size_bytes = part
        self._file.seek(start)
        body = pa.py_buffer(self._file.read(size_bytes))
        return pa.Table.from_batches([pa.ipc.read_record_batch(body, self.schema)])


def reader_of(parts: Iterable[pa.Table], schema: pa.Schema) -> pa.RecordBatchReader:
    """Parts as an object store takes them, small ones put together. schema: theirs, perhaps with metadata."""
    return pa.RecordBatchReader.from_batches(schema, _batches(parts))


def _batches(parts: Iterable[pa.Table]) -> Iterator[pa.RecordBatch]:
    waiting: list[pa.Table] = []
    waiting_bytes = 0
    for part in parts:
        waiting.append(part)
        waiting_bytes += part.get_total_buffer_size()
        if waiting_bytes >= _BATCH_BYTES:
            yield from pa.concat_tables(waiting).combine_chunks().to_batches()
            waiting.clear()
            waiting_bytes = 0
    yield from pa.concat_tables(waiting).combine_chunks().to_batches() if waiting else ()
