"""Working files of an import: titles by bucket, raw rows, rejects. Keeps memory flat however large the source is.

Belongs here: what is written to the spill folder and read back. Stays out: which rows win (`catalog_import.py`).

Only one file is open for titles at a time, so 1024 buckets need no more file descriptors than one.
"""

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa

from manga_enrichment.domain.catalog import bucket_keys
from manga_enrichment.domain.catalog_rows import RejectedRow
from manga_enrichment.pipeline.catalog_tables import CATALOG_SCHEMA, REJECTS_SCHEMA, batch_of, reject_row

DIGEST_BYTES = 16
SPILL_SCHEMA = (
    CATALOG_SCHEMA.append(pa.field("row_number", pa.int64()))
    .append(pa.field("raw_offset", pa.int64()))
    .append(pa.field("raw_bytes", pa.int64()))
    .append(pa.field("row_digest", pa.binary(DIGEST_BYTES)))
)
_FLUSH_ROWS = 25_000
_FLUSH_BYTES = 32 * 1024 * 1024
_REJECT_FLUSH_BYTES = 8 * 1024 * 1024


class TitleSpill:
    """Titles by bucket, and the raw row of each, in case it turns out to be a duplicate."""

    def __init__(self, folder: Path, bucket_count: int, flush_rows: int = _FLUSH_ROWS) -> None:
        self._folder = folder
        self._keys = bucket_keys(bucket_count)
        self._flush_rows = flush_rows
        self._rows: list[tuple[str, tuple[Any, ...]]] = []
        self._bytes = 0
        self._raw = (folder / "raw_rows").open("w+b")
        self._raw_end = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._raw.close()

    def add(self, bucket: str, row: tuple[Any, ...], row_number: int, raw: bytes, digest: bytes) -> bool:
        """Keep one title: row in the order of CATALOG_SCHEMA. True when the buffer went to disk."""
        self._rows.append((bucket, (*row, row_number, self._raw_end, len(raw), digest)))
        self._raw.write(raw)
        self._raw_end += len(raw)
        self._bytes += len(raw)
        if len(self._rows) < self._flush_rows and self._bytes < _FLUSH_BYTES:
            return False
        self.flush()
        return True

    def flush(self) -> None:
        """Append what is buffered to the files of its buckets."""
        if not self._rows:
            return
        self._rows.sort(key=itemgetter(0))
        batch = batch_of((row for _, row in self._rows), SPILL_SCHEMA)
        start = 0
        for bucket, rows in groupby(self._rows, key=itemgetter(0)):
            count = sum(1 for _ in rows)
            with self._path(bucket).open("ab") as file:
                file.write(batch.slice(start, count).serialize())
            start += count
        self._rows.clear()
        self._bytes = 0

    def bucket(self, bucket: str) -> pa.Table:
        """All titles of a bucket with SPILL_SCHEMA, in source order; its file is deleted."""
        path = self._path(bucket)
        if not path.exists():
            return SPILL_SCHEMA.empty_table()
        with pa.OSFile(str(path)) as file:
            messages = pa.ipc.MessageReader.open_stream(file)
            table = pa.Table.from_batches([pa.ipc.read_record_batch(each, SPILL_SCHEMA) for each in messages])
        path.unlink()
        return table

    def raw_row(self, offset: int, size_bytes: int) -> str:
        """The raw row kept at this place."""
        self._raw.seek(offset)
        return self._raw.read(size_bytes).decode("utf-8", "backslashreplace")

    def keys(self) -> Sequence[str]:
        """All buckets, also empty ones."""
        return self._keys

    def _path(self, bucket: str) -> Path:
        return self._folder / f"bucket-{bucket}"


class RejectSpill:
    """Rejected rows in the order they come; a source of nothing but bad rows fits as well."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "rejects"
        self._writer = pa.ipc.new_file(str(self._path), REJECTS_SCHEMA)
        self._mapped: pa.MemoryMappedFile | None = None
        self._rows: list[tuple[Any, ...]] = []
        self._bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._writer.close()
        if self._mapped is not None:
            self._mapped.close()

    def add(self, rejected: RejectedRow) -> None:
        self._rows.append(reject_row(rejected))
        self._bytes += len(rejected.raw_json)
        if self._bytes >= _REJECT_FLUSH_BYTES:
            self._flush()

    def table(self) -> pa.Table:
        """All rejects, in the file instead of in memory: gone when the spill is left. Nothing can be added after."""
        self._flush()
        self._writer.close()
        self._mapped = pa.memory_map(str(self._path))
        return pa.ipc.open_file(self._mapped).read_all()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_batch(batch_of(self._rows, REJECTS_SCHEMA))
            self._rows.clear()
            self._bytes = 0
