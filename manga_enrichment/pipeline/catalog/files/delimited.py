"""CSV and TSV: rows of cells under a header.

Belongs here: the delimiter, the header, rows with too few or too many cells. Stays out: the encoding (`opening.py`).
"""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import orjson

from manga_enrichment.domain.catalog.rows import RejectedRow, RejectReason
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.pipeline.catalog.files.opening import kind_of, open_utf_8
from manga_enrichment.pipeline.catalog.files.rows import MAX_ROW_BYTES, Reading, Rows, SourceRow, rejected

_DELIMITERS = (",", ";", "\t", "|")


class _Lines:
    """Lines of a CSV for the csv module; keeps those of the current row for rejects."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self._waiting: list[str] = []
        self.of_row: list[str] = []

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._waiting.pop() if self._waiting else self._text.readline(MAX_ROW_BYTES)
        if not line:
            raise StopIteration
        if len(line) == MAX_ROW_BYTES:
            raise ConfigurationError(f"MANGA_CATALOG_URI names a CSV with a line of {MAX_ROW_BYTES} characters or more")
        self.of_row.append(line)
        return line

    def first(self) -> str:
        """The first line, which is read again."""
        line = self._text.readline(MAX_ROW_BYTES)
        self._waiting.append(line)
        return line

    def take(self) -> bytes:
        row, self.of_row = "".join(self.of_row), []
        return row.encode("utf-8", "surrogateescape")


def delimited_rows(path: Path, reading: Reading) -> Rows:
    # surrogateescape: bytes that are not UTF-8 reject their row, not the file.
    with (
        open_utf_8(path, reading) as stream,
        io.TextIOWrapper(stream, "utf-8", "surrogateescape", newline="") as text,
    ):
        lines = _Lines(text)
        delimiter = reading.delimiter or ("\t" if kind_of(path) == ".tsv" else _delimiter(lines.first()))
        if delimiter not in {",", "\t"}:
            reading.say(f"{path.name} is read with the delimiter {delimiter!r} (MANGA_CATALOG_DELIMITER)")
        cells = csv.reader(lines, strict=True, delimiter=delimiter)
        header = _header(cells)
        reading.mapping.check_columns(header)
        lines.take()
        yield from _rows(cells, lines, header)


def _rows(cells: Iterator[list[str]], lines: _Lines, header: list[str]) -> Rows:
    number = 0
    while True:
        number += 1
        try:
            row = next(cells, None)
        except csv.Error:
            yield rejected(number, RejectReason.INVALID_CSV, lines.take().rstrip(b"\r\n"))
            continue
        if row is None:
            return
        line = lines.take()
        if row:
            yield _row(number, header, row, line)


def _delimiter(first_line: str) -> str:
    """The one that parts the header into the most columns."""
    parts = {mark: len(next(csv.reader([first_line], delimiter=mark), [])) for mark in _DELIMITERS}
    return max(_DELIMITERS, key=parts.__getitem__)


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


def _row(number: int, header: list[str], row: list[str], line: bytes) -> SourceRow | RejectedRow:
    missing = len(header) - len(row)
    # Without its line end a short row is where the file was cut off.
    if (missing > 0 and not line.endswith((b"\n", b"\r"))) or any(row[len(header) :]):
        return rejected(number, RejectReason.WRONG_COLUMN_COUNT, line.rstrip(b"\r\n"))
    values = dict(zip(header, row if not missing else [*row[: len(header)], *[""] * missing], strict=True))
    try:
        return SourceRow(number, values, orjson.dumps(values), short=missing > 0, is_exact=True)
    except orjson.JSONEncodeError:  # an escaped byte
        return rejected(number, RejectReason.NOT_UTF8, line.rstrip(b"\r\n"))
