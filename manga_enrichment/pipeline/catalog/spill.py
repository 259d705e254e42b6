"""Working files of an import: titles by bucket, raw rows, rejects, warnings. Keeps memory flat however large
the source is.

Belongs here: what is written to the spill folder and read back. Stays out: which rows win (`importer.py`).

Only one file is open for titles at a time, so 1024 buckets need no more file descriptors than one.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc

from manga_enrichment.domain.catalog.records import bucket_keys
from manga_enrichment.pipeline.catalog.tables import CATALOG_SCHEMA, batch_of
from manga_enrichment.pipeline.store.spool import Spool

DIGEST_BYTES = 16
_CHARACTERS_BESIDE = 200
"""What a row costs in memory beside its text."""
SPILL_SCHEMA = (
    CATALOG_SCHEMA.append(pa.field("row_number", pa.int64()))
    .append(pa.field("raw_offset", pa.int64()))
    .append(pa.field("raw_bytes", pa.int64()))
    .append(pa.field("row_digest", pa.binary(DIGEST_BYTES)))
)


@dataclass(frozen=True, slots=True)
class SpillLimits:
    """How much waits in memory: titles as Python values, then titles, rejects and warnings before they go to disk; what
    a bucket is sorted by."""

    batch_rows: int = 1000
    flush_rows: int = 25_000
    flush_bytes: int = 32 * 1024 * 1024
    row_characters: int = 8 * 1024 * 1024
    slice_bytes: int = 16 * 1024 * 1024


DEFAULT_LIMITS = SpillLimits()


class TitleSpill:
    """Titles by bucket, and the raw row of each, in case it turns out to be a duplicate.

    Titles wait as Python values only until there are a few of them, then as Arrow batches, then in files: many live
    Python objects would make the garbage collector the slowest part of an import.
    """

    def __init__(self, folder: Path, bucket_count: int, limits: SpillLimits) -> None:
        self._folder = folder
        self._limits = limits
        self._rows: list[tuple[Any, ...]] = []
        self._batches: list[pa.RecordBatch] = []
        self._buckets: list[str] = []
        self._waiting_bytes = 0
        self._raw = (folder / "raw_rows").open("w+b")
        self._raw_end = 0
        self.keys = bucket_keys(bucket_count)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._raw.close()

    def add(self, bucket: str, row: tuple[Any, ...], row_number: int, raw: bytes, digest: bytes) -> bool:
        """Keep one title: row in the order of CATALOG_SCHEMA. True when titles went to disk."""
        self._rows.append((*row, row_number, self._raw_end, len(raw), digest))
        self._buckets.append(bucket)
        self._raw.write(raw)
        self._raw_end += len(raw)
        self._waiting_bytes += len(raw)
        if len(self._rows) >= self._limits.batch_rows:
            self._pack()
        if len(self._buckets) < self._limits.flush_rows and self._waiting_bytes < self._limits.flush_bytes:
            return False
        self.flush()
        return True

    def flush(self) -> None:
        """Append all that waits to the files of its buckets."""
        self._pack()
        if not self._buckets:
            return
        order = sorted(range(len(self._buckets)), key=self._buckets.__getitem__)
        rows = pa.Table.from_batches(self._batches).take(pa.array(order)).combine_chunks().to_batches()[0]
        start = 0
        for bucket, count in sorted(Counter(self._buckets).items()):
            with self._path(bucket).open("ab") as file:
                file.write(rows.slice(start, count).serialize())
            start += count
        self._batches.clear()
        self._buckets.clear()
        self._waiting_bytes = 0

    def _pack(self) -> None:
        if self._rows:
            self._batches.append(batch_of(self._rows, SPILL_SCHEMA))
            self._rows.clear()

    def slices(self, bucket: str) -> Iterator[pa.Table]:
        """All titles of a bucket with SPILL_SCHEMA: ids ascend from slice to slice, rows of one id are in one slice, in
        any order. At least one; the bucket's file is deleted."""
        path = self._path(bucket)
        if not path.exists():
            yield SPILL_SCHEMA.empty_table()
            return
        bounds = self._bounds(path)
        if not bounds:
            yield pa.Table.from_batches(_batches(path), SPILL_SCHEMA)
            path.unlink()
            return
        with Spool(SPILL_SCHEMA, self._folder) as slices:
            for batch in _batches(path):
                _cut(pa.Table.from_batches([batch]), bounds, slices)
            path.unlink()
            for rank in range(len(bounds) + 1):
                yield slices.of_rank(rank)

    def titles(self, bucket: str) -> int:
        """Distinct ids of a bucket."""
        path = self._path(bucket)
        return len(pc.unique(_ids(path))) if path.exists() else 0

    def _bounds(self, path: Path) -> list[str]:
        """Ids at which the bucket is cut into slices of about the same number of rows."""
        count = -(-path.stat().st_size // self._limits.slice_bytes)
        if count == 1:
            return []
        ids = _ids(path)
        order = pc.sort_indices(ids)
        return [ids[order[len(ids) * number // count].as_py()].as_py() for number in range(1, count)]

    def raw_row(self, offset: int, size_bytes: int) -> str:
        """The raw row kept at this place."""
        self._raw.seek(offset)
        return self._raw.read(size_bytes).decode("utf-8", "backslashreplace")

    def _path(self, bucket: str) -> Path:
        return self._folder / f"bucket-{bucket}"


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    with pa.OSFile(str(path)) as file:
        for message in pa.ipc.MessageReader.open_stream(file):
            yield pa.ipc.read_record_batch(message, SPILL_SCHEMA)


def _ids(path: Path) -> pa.ChunkedArray:
    """Of all rows, in source order."""
    return pa.chunked_array([pa.concat_arrays([batch.column("manga_id")]) for batch in _batches(path)])


def _cut(rows: pa.Table, bounds: Sequence[str], slices: Spool) -> None:
    rows = rows.sort_by("manga_id")
    ids = rows.column("manga_id").to_pylist()
    edges = [0, *(bisect_left(ids, bound) for bound in bounds), len(ids)]
    for rank, (start, end) in enumerate(pairwise(edges)):
        slices.add(rows.slice(start, end - start), rank)


class RowSpill:
    """Rows of one table in the order they come; a source of nothing but bad rows fits as well."""

    def __init__(self, spool: Spool, limits: SpillLimits) -> None:
        self._spool = spool
        self._limits = limits
        self._rows: list[tuple[Any, ...]] = []
        self._characters = 0

    def add(self, row: tuple[Any, ...]) -> None:
        """The last of the values is the text that makes the row large; its lone surrogates are stored escaped."""
        self._rows.append(row)
        self._characters += len(row[-1]) + _CHARACTERS_BESIDE
        if self._characters >= self._limits.row_characters:
            self._flush()

    def parts(self) -> Iterable[pa.Table]:
        """All rows so far, for as long as the spool is there."""
        self._flush()
        return self._spool

    def _flush(self) -> None:
        if not self._rows:
            return
        try:
            batch = batch_of(self._rows, self._spool.schema)
        except UnicodeEncodeError:
            escaped = ((*row[:-1], row[-1].encode("utf-8", "backslashreplace").decode()) for row in self._rows)
            batch = batch_of(escaped, self._spool.schema)
        self._spool.add(pa.Table.from_batches([batch]))
        self._rows.clear()
        self._characters = 0
