"""What every reader gives: parsed rows, and rows that could not be parsed.

Belongs here: the two shapes, and what a reader is told. Stays out: reading.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from manga_enrichment.domain.catalog.mapping import SAME_NAMES, ColumnMapping
from manga_enrichment.domain.catalog.rows import RejectedRow, RejectReason

MAX_ROW_BYTES = 4 * 1024 * 1024
"""A longer line is no title; it is rejected without being held in memory."""

KEPT_OF_LONG_ROW_BYTES = 64 * 1024


class SourceRow(NamedTuple):
    """A parsed row. number: see `RejectedRow.row_number`; raw is the row as JSON in UTF-8.

    short: cells at its end were left out and are taken as empty. is_exact: no row with other values has this raw JSON;
    others may write a date and its text alike.
    """

    number: int
    values: object
    raw: bytes
    short: bool = False
    is_exact: bool = False


Rows = Iterator[SourceRow | RejectedRow]


@dataclass(frozen=True, slots=True)
class Reading:
    """How to read. encoding, delimiter: "" to find out; say gets what was found out, one sentence each."""

    mapping: ColumnMapping = SAME_NAMES
    encoding: str = ""
    delimiter: str = ""
    say: Callable[[str], None] = lambda _line: None


DEFAULT_READING = Reading()

Reader = Callable[[Path, Reading], Rows]


def rejected(number: int, reason: RejectReason, text: bytes) -> RejectedRow:
    return RejectedRow(number, None, reason, text.decode("utf-8", "backslashreplace"))
