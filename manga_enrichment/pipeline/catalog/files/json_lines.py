"""JSON Lines: one value a line.

Belongs here: lines, and numbers that one of the two parsers would round. Stays out: one large document
(`json_document.py`).
"""

import json
from pathlib import Path
from typing import BinaryIO

import orjson

from manga_enrichment.domain.catalog.rows import RejectedRow, RejectReason
from manga_enrichment.pipeline.catalog.files.opening import open_utf_8
from manga_enrichment.pipeline.catalog.files.rows import (
    KEPT_OF_LONG_ROW_BYTES,
    MAX_ROW_BYTES,
    Reading,
    Rows,
    SourceRow,
    rejected,
)

_DIGITS_AS_ZERO = bytes(ord("0") if chr(byte) in "0123456789" else ord(" ") for byte in range(256))
_LONG_NUMBER = b"0" * 19
"""orjson makes a float of an integer that has no room in 64 bits."""


def json_lines_rows(path: Path, reading: Reading) -> Rows:
    with open_utf_8(path, reading) as stream:
        number = 0
        while line := stream.readline(MAX_ROW_BYTES):
            number += 1
            if len(line) == MAX_ROW_BYTES and _skip_rest_of_line(stream):
                yield rejected(number, RejectReason.ROW_TOO_LONG, line[:KEPT_OF_LONG_ROW_BYTES])
            elif stripped := line.strip():
                yield _row(number, stripped)


def _skip_rest_of_line(stream: BinaryIO) -> bool:
    """True when there was more of the line."""
    skipped = False
    while rest := stream.readline(MAX_ROW_BYTES):
        skipped = True
        if rest.endswith(b"\n"):
            break
    return skipped


def _row(number: int, line: bytes) -> SourceRow | RejectedRow:
    if _LONG_NUMBER not in line.translate(_DIGITS_AS_ZERO):
        try:
            return SourceRow(number, orjson.loads(line), line, is_exact=True)
        except orjson.JSONDecodeError:
            pass  # the standard library also takes NaN and lone surrogates, which cleaning knows to handle
    try:
        return SourceRow(number, json.loads(line.decode()), line, is_exact=True)
    except UnicodeDecodeError:
        return rejected(number, RejectReason.NOT_UTF8, line)
    except (ValueError, RecursionError):
        return rejected(number, RejectReason.INVALID_JSON, line)
