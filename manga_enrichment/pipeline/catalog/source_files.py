"""Rows of a local catalog file, streamed: CSV, JSONL or Parquet by extension.

Belongs here: reading, row numbers, rows that cannot be parsed. Stays out: what a row means (`domain/catalog/rows.py`)
and where the file comes from (a CatalogSource).

A row that cannot be parsed is handed on as rejected, with its text; only a file that cannot be read at all ends the
import, with one ConfigurationError.
"""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from manga_enrichment.domain.catalog.mapping import MAPPING_SETTING, SAME_NAMES, ColumnMapping
from manga_enrichment.domain.catalog.rows import RejectedRow, RejectReason, raw_json
from manga_enrichment.domain.errors import ConfigurationError

MAX_ROW_BYTES = 4 * 1024 * 1024
"""A longer line is no title; it is rejected without being held in memory."""

KEPT_OF_LONG_ROW_BYTES = 64 * 1024
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_PARQUET_BATCH_ROWS = 1024


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A parsed row. number: see `RejectedRow.row_number`; raw is the row as JSON in UTF-8."""

    number: int
    values: object
    raw: bytes


Rows = Iterator[SourceRow | RejectedRow]
_Reader = Callable[[Path, ColumnMapping], Rows]


def read_rows(path: Path, mapping: ColumnMapping = SAME_NAMES, *, uri: str | None = None) -> Rows:
    """Rows of the file in order; empty lines are skipped.

    uri is what errors call the file, when `path` is only a copy. Raises ConfigurationError, at once or while reading,
    when the file is missing, unreadable, of an unknown kind, or lacks a mapped or required column.
    """
    name = uri or str(path)
    extension = "".join(path.suffixes[-2:]) if path.suffix.lower() == ".gz" else path.suffix
    reader = _READERS.get(extension.lower())
    if reader is None:
        kinds = ", ".join(_READERS)
        raise ConfigurationError(f"MANGA_CATALOG_URI={name} has an unknown extension: it must be one of {kinds}")
    if not path.is_file():
        found = "is a folder, not a file" if path.is_dir() else "does not exist"
        raise ConfigurationError(f"MANGA_CATALOG_URI={name} {found}: correct MANGA_CATALOG_URI")
    return _readable(reader(path, mapping), name)


def load_mapping(file_name: str) -> ColumnMapping:
    """The mapping in a JSON file; "" is the one of a source with our own names. Raises ConfigurationError."""
    if not file_name:
        return SAME_NAMES
    try:
        document = json.loads(Path(file_name).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{MAPPING_SETTING}={file_name} cannot be read as JSON ({error})") from error
    return ColumnMapping.from_json(document)


def _readable(rows: Rows, name: str) -> Rows:
    try:
        yield from rows
    except (OSError, EOFError, zlib.error, pa.ArrowException) as error:
        raise ConfigurationError(
            f"MANGA_CATALOG_URI={name} cannot be read ({' '.join(str(error).split())[:300]}): "
            "correct the file or MANGA_CATALOG_URI"
        ) from error
    except ConfigurationError as error:
        raise ConfigurationError(f"{error} (reading {name})") from None


def _open(path: Path) -> BinaryIO:
    opened = gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb")  # noqa: SIM115 - closed by the caller
    stream = io.BufferedReader(cast("io.RawIOBase", opened), 1024 * 1024)
    if stream.peek(2)[:2] in _UTF16_MARKS:
        stream.close()
        raise ConfigurationError("MANGA_CATALOG_URI names a file in UTF-16: save it as UTF-8")
    return cast("BinaryIO", stream)


def _jsonl_rows(path: Path, _mapping: ColumnMapping) -> Rows:
    with _open(path) as stream:
        number = 0
        while line := stream.readline(MAX_ROW_BYTES):
            number += 1
            if number == 1:
                line = line.removeprefix(_BYTE_ORDER_MARK)
            if len(line) == MAX_ROW_BYTES and _skip_rest_of_line(stream):
                yield _rejected(number, RejectReason.ROW_TOO_LONG, line[:KEPT_OF_LONG_ROW_BYTES])
            elif stripped := line.strip():
                yield _jsonl_row(number, stripped)


def _skip_rest_of_line(stream: BinaryIO) -> bool:
    """True when there was more of the line."""
    skipped = False
    while rest := stream.readline(MAX_ROW_BYTES):
        skipped = True
        if rest.endswith(b"\n"):
            break
    return skipped


def _jsonl_row(number: int, line: bytes) -> SourceRow | RejectedRow:
    try:
        return SourceRow(number, orjson.loads(line), line)
    except orjson.JSONDecodeError:
        pass  # the standard library also takes NaN and lone surrogates, which cleaning knows to handle
    try:
        return SourceRow(number, json.loads(line.decode()), line)
    except UnicodeDecodeError:
        return _rejected(number, RejectReason.NOT_UTF8, line)
    except (ValueError, RecursionError):
        return _rejected(number, RejectReason.INVALID_JSON, line)


class _Lines:
    """Lines of a CSV for the csv module; keeps those of the current row for rejects."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self.of_row: list[str] = []

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._text.readline(MAX_ROW_BYTES)
        if not line:
            raise StopIteration
        if len(line) == MAX_ROW_BYTES:
            raise ConfigurationError(f"MANGA_CATALOG_URI names a CSV with a line of {MAX_ROW_BYTES} characters or more")
        self.of_row.append(line)
        return line

    def take(self) -> bytes:
        row, self.of_row = "".join(self.of_row), []
        return row.rstrip("\r\n").encode("utf-8", "surrogateescape")


def _csv_rows(path: Path, mapping: ColumnMapping) -> Rows:
    # surrogateescape: bytes that are not UTF-8 reject their row, not the file.
    with _open(path) as stream, io.TextIOWrapper(stream, "utf-8-sig", "surrogateescape", newline="") as text:
        lines = _Lines(text)
        cells = csv.reader(lines, strict=True)
        header = _header(cells)
        mapping.check_columns(header)
        lines.take()
        number = 0
        while True:
            number += 1
            try:
                row = next(cells, None)
            except csv.Error:
                yield _rejected(number, RejectReason.INVALID_CSV, lines.take())
                continue
            if row is None:
                return
            line = lines.take()
            if row:
                yield _csv_row(number, header, row, line)


def _header(cells: Iterator[list[str]]) -> list[str]:
    try:
        header = [cell.strip() for cell in next(cells, [])]
        "".join(header).encode()
    except (csv.Error, UnicodeEncodeError) as error:
        raise ConfigurationError(f"MANGA_CATALOG_URI names a CSV without a readable UTF-8 header ({error})") from error
    repeated = sorted({name for name in header if name and header.count(name) > 1})
    if repeated:
        raise ConfigurationError(f"MANGA_CATALOG_URI names a CSV that has the column {repeated[0]!r} twice")
    return header


def _csv_row(number: int, header: list[str], row: list[str], line: bytes) -> SourceRow | RejectedRow:
    if len(row) != len(header):
        return _rejected(number, RejectReason.WRONG_COLUMN_COUNT, line)
    values = dict(zip(header, row, strict=True))
    try:
        return SourceRow(number, values, orjson.dumps(values))
    except orjson.JSONEncodeError:  # an escaped byte
        return _rejected(number, RejectReason.NOT_UTF8, line)


def _parquet_rows(path: Path, mapping: ColumnMapping) -> Rows:
    with pq.ParquetFile(path) as file:
        mapping.check_columns(file.schema_arrow.names)
        number = 0
        for batch in file.iter_batches(_PARQUET_BATCH_ROWS):
            for values in _batch_rows(_without_nanoseconds(batch)):
                number += 1
                if isinstance(values, bytes):
                    yield _rejected(number, RejectReason.UNREADABLE_VALUE, values)
                else:
                    yield SourceRow(number, values, raw_json(values).encode())


def _batch_rows(batch: pa.RecordBatch) -> list[dict[str, Any] | bytes]:
    """Rows as dictionaries; Arrow's own text of one whose values Python cannot hold (a date in the year 300000)."""
    try:
        return list(batch.to_pylist())
    except (ValueError, OverflowError):
        return [_single_row(batch.slice(index, 1)) for index in range(batch.num_rows)]


def _single_row(batch: pa.RecordBatch) -> dict[str, Any] | bytes:
    try:
        return cast("dict[str, Any]", batch.to_pylist()[0])
    except (ValueError, OverflowError):
        return str(batch.to_struct_array()).encode("utf-8", "backslashreplace")


def _without_nanoseconds(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Timestamps in microseconds: nanoseconds would become pandas objects."""
    for index, field in enumerate(batch.schema):
        if pa.types.is_timestamp(field.type) and field.type.unit == "ns":
            column = batch.column(index).cast(pa.timestamp("us", tz=field.type.tz), safe=False)
            batch = batch.set_column(index, field.with_type(column.type), column)
    return batch


def _rejected(number: int, reason: RejectReason, text: bytes) -> RejectedRow:
    return RejectedRow(number, None, reason, text.decode("utf-8", "backslashreplace"))


_READERS: dict[str, _Reader] = {
    ".csv": _csv_rows,
    ".csv.gz": _csv_rows,
    ".jsonl": _jsonl_rows,
    ".jsonl.gz": _jsonl_rows,
    ".ndjson": _jsonl_rows,
    ".parquet": _parquet_rows,
}
