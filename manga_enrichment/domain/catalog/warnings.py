"""What an import says of a value that it did not take as it was.

Belongs here: the reasons, and what is told of one value. Stays out: which value gets which reason (the cleaners beside
this module), counting and storing them (`pipeline/catalog/importer.py`).

A value that only lost white space or came in another normal form of Unicode is the same value: nothing is told.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

MAX_RAW_CHARACTERS = 1000
ROW = "row"
"""The field of a warning about the row itself."""


class WarningReason(StrEnum):
    """What became of a value; they stand in the table of warnings and, before the field's name, in its counts."""

    INVALID = "invalid"
    """Not of the field's kind: dropped."""
    NULL_WORD = "null_word"
    """A word that says nothing, such as "N/A": dropped."""
    PLACEHOLDER = "placeholder"
    """A synopsis such as "No synopsis yet": dropped."""
    UNKNOWN_SHAPE = "unknown_shape"
    """An item of a list in which no text was found: dropped."""
    DUPLICATE = "duplicate"
    """Said twice in one list: merged."""
    CONTAINER = "container"
    """A list or object written as text, where one value belongs: kept as text."""
    CLEANED = "cleaned"
    """Lost markup or characters that nobody sees."""
    ATTRIBUTION = "attribution"
    """A synopsis lost the note of where it comes from."""
    SPOILER = "spoiler"
    """A synopsis lost a passage that is marked as spoiler."""
    SPLIT = "split"
    """One text became several at its commas."""
    REDUCED = "reduced"
    """Said more than the field holds, such as a range of years: its beginning was taken."""
    SHORT_ROW = "short_row"
    """Cells were left out at the end of a row of text: taken as empty."""


Note = Callable[[WarningReason], None]


def shortened(raw: str) -> str:
    """Beginning and end of a raw value: what it lost is often at its end."""
    half = MAX_RAW_CHARACTERS // 2
    return raw if len(raw) <= MAX_RAW_CHARACTERS else f"{raw[:half]} … {raw[-half:]}"


class RowWarning(NamedTuple):
    """raw: the value as text or JSON, `shortened`. Warnings are counted by reason and field, as in `invalid_isbn13`."""

    row_number: int
    manga_id: str
    field: str
    reason: WarningReason
    raw: str


def no_note(_reason: WarningReason) -> None:
    """For callers that do not count."""
