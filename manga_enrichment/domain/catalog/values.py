"""One raw value of a text field -> its clean value.

Belongs here: text, labels, synopsis, ISBN, words that say nothing. Stays out: lists (`lists.py`), people (`people.py`),
numbers (`numbers.py`), dates (`moments.py`), which field is of which kind and what happens to a row (`rows.py`).

Each cleaner returns None or () for a value that says nothing, tells `note` what it dropped or changed, and raises
InvalidValueError, and nothing else, for a value it cannot take.
"""

import math
import unicodedata
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import Never

from manga_enrichment.domain.catalog.containers import looks_like_container
from manga_enrichment.domain.catalog.isbn import isbn13
from manga_enrichment.domain.catalog.text import clean_line, clean_synopsis, is_plain
from manga_enrichment.domain.catalog.warnings import Note, WarningReason, no_note


class InvalidValueError(ValueError):
    """The value is not of its field's kind; the message says why, without the value."""


NOTHING = frozenset({"null", "none", "nan", "n/a", "na", "nat"})
"""What tools write into a CSV for a missing value."""

NULL_WORDS = NOTHING | {
    *("nil", "undefined", "unknown", "unspecified", "tba", "tbd", "-", "--", "---", "–", "—", "ー", "?", "？", "不明"),
    *("なし", "未定", "未詳", "(none)", "(unknown)", "n.a."),
}
"""What people write for it. None of these is a genre or a person, but "Unknown" is a title."""

_LONGEST_NULL_WORD = max(map(len, NULL_WORDS))
_LONGEST_LABEL = 40
_EXACT_BELOW = 2**53
"""Floats from here on stand for more than one whole number."""
_MOST_DIGITS = 100
_CLOSING = frozenset("]}")


def required_text(value: object, note: Note = no_note) -> str | None:
    """One line of text; numbers are written out ("86" is a title). A word such as "None" can be a title too."""
    if isinstance(value, str):
        return _line(value, note) or None
    return _number_as_text(value)


def optional_text(value: object, note: Note = no_note) -> str | None:
    """Like `required_text`, but "null", "NaN" and the like mean nothing."""
    if isinstance(value, str) and value[-1:] not in _CLOSING and is_plain(value):
        return _unless_null(value, NOTHING, note) or None
    return _unless_null(required_text(value, note), NOTHING, note)


def label(value: object, note: Note = no_note) -> str | None:
    """Like `optional_text`, also without what people write for nothing.

    For fields with few different values: each is cleaned once and remembered.
    """
    if isinstance(value, str) and len(value) <= _LONGEST_LABEL:
        text, reasons = _label(value)
        for reason in reasons:
            note(reason)
        return text
    return _unless_null(required_text(value, note), NULL_WORDS, note)


@lru_cache(maxsize=4096)
def _label(text: str) -> tuple[str | None, tuple[WarningReason, ...]]:
    reasons: list[WarningReason] = []
    return _unless_null(required_text(text, reasons.append), NULL_WORDS, reasons.append), tuple(reasons)


def synopsis(value: object, note: Note = no_note) -> str | None:
    """Paragraphs without attribution, spoilers and placeholders."""
    if not isinstance(value, str):
        raise InvalidValueError("not text")
    return clean_synopsis(value, note) or None


def isbn(value: object, note: Note = no_note) -> str | None:
    """13 digits with a correct check digit."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # what pandas makes of a column with gaps
    text = _unless_null(required_text(value, note), NULL_WORDS, note)
    if text is None:
        return None
    return isbn13(text.removesuffix(".0")) or refuse("check digit or length is wrong")


def is_null_word(text: str, words: frozenset[str]) -> bool:
    return len(text) <= _LONGEST_NULL_WORD and text.lower() in words


def same_value(cleaned: str, raw: str) -> bool:
    """Whether the two differ in no more than white space and Unicode's normal form."""
    return cleaned == raw or cleaned.split() == unicodedata.normalize("NFC", raw).split()


def refuse(why: str) -> Never:
    raise InvalidValueError(why)


def of_line(clean: Callable[[str], str], text: str, note: Note) -> str:
    """The text cleaned; told when more than white space went."""
    cleaned = clean(text)
    if not same_value(cleaned, text):
        note(WarningReason.CLEANED)
    return cleaned


def _line(text: str, note: Note) -> str:
    if text[-1:] in _CLOSING and looks_like_container(text):
        note(WarningReason.CONTAINER)
    return text if is_plain(text) else of_line(clean_line, text, note)


def _unless_null(text: str | None, words: frozenset[str], note: Note) -> str | None:
    if text is not None and len(text) <= _LONGEST_NULL_WORD and text.lower() in words:
        note(WarningReason.NULL_WORD)
        return None
    return text


def _number_as_text(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise InvalidValueError("not text")
    if isinstance(value, float | Decimal) and not math.isfinite(value):
        return None
    limit = _EXACT_BELOW if isinstance(value, float) else 10**_MOST_DIGITS
    if not -limit < value < limit:
        raise InvalidValueError("a number too large to be written out exactly")
    return str(int(value)) if value == int(value) else str(value)
