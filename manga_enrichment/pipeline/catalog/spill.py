"""Working files of an import: titles by bucket with their warnings, raw rows, rejects. Keeps memory flat however large
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

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from manga_enrichment.domain.catalog.records import bucket_keys
from manga_enrichment.domain.catalog.warnings import RowWarning
from manga_enrichment.pipeline.catalog.tables import CATALOG_SCHEMA, WARNINGS_SCHEMA, batch_of
from manga_enrichment.pipeline.store.arrow_types import whole
from manga_enrichment.pipeline.store.spool import Spool

DIGEST_BYTES = 16
_RAW_BUFFER_BYTES = 1024 * 1024
_CHARACTERS_BESIDE = 200
"""What a row costs in memory beside its text."""
_TOLD = ("field", "reason", "raw_value")
_OF_ROW = (
    pa.field("row_digest", pa.binary(DIGEST_BYTES)),
    pa.field("raw_digest", pa.binary(DIGEST_BYTES)),
    pa.field("warnings", pa.list_(pa.field("element", pa.struct([(name, pa.string()) for name in _TOLD])))),
    pa.field("row_number", pa.int64()),
    pa.field("raw_offset", pa.int64()),
    pa.field("raw_bytes", pa.int64()),
    pa.field("is_known", pa.bool_()),
)
SPILL_SCHEMA = pa.schema([*CATALOG_SCHEMA, *_OF_ROW])
"""row_digest: of the title's values; raw_digest: of the source's row."""
_OF_KNOWN_ROW = ("manga_id", "row_number", "raw_offset", "raw_bytes", "is_known")
_ROWS_OF_A_RANK = 16_384
"""So many rows' warnings are sorted at once."""


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
        self._rows: tuple[list[tuple[Any, ...]], ...] = ([], [])
        self._homes: tuple[list[str], ...] = ([], [])
        """Cleaned rows, known rows, and the bucket of each."""
        self._batches: list[pa.RecordBatch] = []
        self._buckets: list[str] = []
        self._waiting_rows = self._waiting_bytes = 0
        self._to_fill_bytes: Counter[str] = Counter()
        self._raw = (folder / "raw_rows").open("w+b", _RAW_BUFFER_BYTES)
        self._raw_end = 0
        self.keys = bucket_keys(bucket_count)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._raw.close()

    def add(self, bucket: str, row: tuple[Any, ...], row_number: int, raw: bytes) -> bool:
        """Keep one title: row in the order of CATALOG_SCHEMA, then row_digest, raw_digest, warnings. True when titles
        went to disk."""
        return self._add(0, bucket, (*row, row_number, self._raw_end, len(raw), False), raw)

    def add_known(self, bucket: str, manga_id: str, row_number: int, raw: bytes) -> bool:
        """Likewise one whose other values are known elsewhere; null here."""
        self._to_fill_bytes[bucket] += len(raw)
        return self._add(1, bucket, (manga_id, row_number, self._raw_end, len(raw), True), raw)

    def _add(self, kind: int, bucket: str, row: tuple[Any, ...], raw: bytes) -> bool:
        self._rows[kind].append(row)
        self._homes[kind].append(bucket)
        self._raw.write(raw)
        self._raw_end += len(raw)
        self._waiting_rows += 1
        self._waiting_bytes += len(raw)
        if len(self._rows[kind]) >= self._limits.batch_rows:
            self._pack()
        if self._waiting_rows < self._limits.flush_rows and self._waiting_bytes < self._limits.flush_bytes:
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
        self._waiting_rows = self._waiting_bytes = 0

    def _pack(self) -> None:
        for rows, homes, made_of in zip(self._rows, self._homes, (_batch_of_cleaned, _batch_of_known), strict=True):
            if rows:
                self._batches.append(made_of(rows))
                self._buckets += homes
                rows.clear()
                homes.clear()

    def slices(self, bucket: str) -> Iterator[pa.Table]:
        """All titles of a bucket with SPILL_SCHEMA: ids ascend from slice to slice, rows of one id are in one slice, in
        any order. At least one; the bucket's file is deleted."""
        path = self._path(bucket)
        if not path.exists():
            yield SPILL_SCHEMA.empty_table()
            return
        bounds = self._bounds(path, self._to_fill_bytes[bucket])
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

    def _bounds(self, path: Path, to_fill_bytes: int) -> list[str]:
        """Ids at which the bucket is cut into slices of about the same number of rows."""
        count = -(-(path.stat().st_size + to_fill_bytes) // self._limits.slice_bytes)
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


def _batch_of_cleaned(rows: list[tuple[Any, ...]]) -> pa.RecordBatch:
    return batch_of(rows, SPILL_SCHEMA)


def _batch_of_known(rows: list[tuple[Any, ...]]) -> pa.RecordBatch:
    given = dict(zip(_OF_KNOWN_ROW, zip(*rows, strict=True), strict=True))
    arrays = [
        pa.array(given[field.name], field.type) if field.name in given else pa.nulls(len(rows), field.type)
        for field in SPILL_SCHEMA
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=SPILL_SCHEMA)


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


class WarningSpill:
    """What was told of rows: in the order of the rows, whichever order they come in."""

    def __init__(self, spool: Spool, limits: SpillLimits) -> None:
        """spool: with WARNINGS_SCHEMA."""
        self._spool = spool
        self._most_bytes = limits.slice_bytes
        self._waiting: list[pa.Table] = []
        self._waiting_bytes = 0
        self._parts: Counter[int] = Counter()
        """By rank; each is in order."""

    def add(self, rows: pa.Table) -> Counter[str]:
        """The warnings of rows with SPILL_SCHEMA; how many by kind (`domain/catalog/warnings.py`)."""
        warnings = whole(rows.column("warnings"))
        of_row, told = pc.list_parent_indices(warnings), pc.list_flatten(warnings)
        columns = {name: whole(rows.column(name)).take(of_row) for name in ("row_number", "manga_id")}
        columns |= {name: pc.struct_field(told, name) for name in _TOLD}
        found = pa.table([columns[name] for name in WARNINGS_SCHEMA.names], schema=WARNINGS_SCHEMA)
        self._waiting.append(found)
        self._waiting_bytes += rows.nbytes  # what was read of a file stays in memory with any part of it
        if self._waiting_bytes >= self._most_bytes:
            self._flush()
        kinds = pc.binary_join_element_wise(found.column("reason"), found.column("field"), "_")
        return Counter({each["values"].as_py(): each["counts"].as_py() for each in pc.value_counts(kinds)})

    def __iter__(self) -> Iterator[pa.Table]:
        """At least one part; for as long as the spool is there."""
        self._flush()
        for rank in sorted(self._parts) or [0]:
            rows = self._spool.of_rank(rank)
            yield rows.sort_by("row_number") if self._parts[rank] > 1 else rows

    def _flush(self) -> None:
        rows = pa.concat_tables([WARNINGS_SCHEMA.empty_table(), *self._waiting]).sort_by("row_number")
        ranks = pc.divide(rows.column("row_number"), _ROWS_OF_A_RANK).to_numpy()
        for rank in np.unique(ranks).tolist():
            start, end = np.searchsorted(ranks, [rank, rank + 1]).tolist()
            self._spool.add(rows.slice(start, end - start), rank)
            self._parts[rank] += 1
        self._waiting.clear()
        self._waiting_bytes = 0


def told(warning: RowWarning) -> tuple[str, str, str]:
    """A warning as SPILL_SCHEMA has it; lone surrogates are stored escaped."""
    return warning.field, warning.reason.value, warning.raw.encode("utf-8", "backslashreplace").decode()
