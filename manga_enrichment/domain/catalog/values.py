"""One raw value of a catalog field -> its clean value.

Belongs here: what each kind of field accepts (text, lists, authors, numbers, dates, ISBN) from JSON, CSV or Parquet.
Stays out: which field is of which kind and what happens to a row (`rows.py`).

Each function returns None or () for a value that says nothing, and raises InvalidValueError, and nothing else, for one
it cannot take.
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import lru_cache
from typing import Any, Never

from manga_enrichment.domain.catalog.isbn import isbn13
from manga_enrichment.domain.catalog.records import Author
from manga_enrichment.domain.catalog.text import clean_line, clean_synopsis, decode_entities, is_plain


class InvalidValueError(ValueError):
    """The value is not of its field's kind; the message says why, without the value."""


_NOTHING = frozenset({"null", "none", "nan", "n/a", "na", "nat"})
"""What tools write into a CSV for a missing value."""

_LONGEST_LABEL = 40
_SEPARATOR = re.compile(r"[;|]")
_INTEGER = re.compile(r"([+-]?[0-9]{1,12})(?:\.0{1,6})?\Z")
_YEAR_FIRST = re.compile(r"([0-9]{4})(?:[-/年.]|\Z)")
_SLASHED_DATE = re.compile(r"([0-9]{4})/([0-9]{1,2})/([0-9]{1,2})(?=\Z|[ T])")
_MILLISECONDS_FROM = 10**11
"""An epoch number from here on (year 5138 in seconds) is milliseconds."""

_ROLE_AFTER = re.compile(r"(.+?)(\s*)[(（]([^()（）]{1,60})[)）]\Z")
_ROLE_BEFORE = re.compile(r"[\[［]([^\[\]［］]{1,60})[\]］]\s*([^\[\]［］]+)\Z")
_ROLE_WORDS = re.compile(
    r"story|art\b|artist|author|writer|writing|original|creator|illustrat|character|design|script|scenario|"
    r"supervis|concept|作|画|著|絵|文|原案|脚本|監修|構成|キャラクター|イラスト|シナリオ|協力|訳|編",
    re.IGNORECASE,
)


def required_text(value: object) -> str | None:
    """One line of text; numbers are written out ("86" is a title). A word such as "None" can be a title too."""
    if isinstance(value, str):
        return clean_line(value) or None
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise InvalidValueError("not text")
    if isinstance(value, int):
        return str(value) if value.bit_length() <= 64 else _refuse("number too large")
    return str(value).removesuffix(".0") if math.isfinite(value) else None


def optional_text(value: object) -> str | None:
    """Like `required_text`, but "null", "NaN" and the like mean nothing."""
    text = value if isinstance(value, str) and is_plain(value) else required_text(value)
    return None if not text or text.lower() in _NOTHING else text


def label(value: object) -> str | None:
    """Like `optional_text`, for fields with few different values: each is cleaned once and remembered."""
    if isinstance(value, str) and len(value) <= _LONGEST_LABEL:
        return _label(value)
    return optional_text(value)


@lru_cache(maxsize=4096)
def _label(text: str) -> str | None:
    return optional_text(text)


def synopsis(value: object) -> str | None:
    """Paragraphs without attribution and placeholders."""
    if not isinstance(value, str):
        raise InvalidValueError("not text")
    return clean_synopsis(value) or None


def text_list(value: object) -> tuple[str, ...]:
    """Distinct lines in order, from a list, a JSON list in a string, or a string separated by ";" or "|"."""
    texts = [text for item in _items(value) if (text := _item_text(item))]
    return tuple(texts if len(texts) < 2 else dict.fromkeys(texts))


def authors(value: object) -> tuple[Author, ...]:
    """Distinct people in order: objects {name, role} or strings "name (role)", never split at commas."""
    people = [person for item in _items(value) if item is not None and (person := _author(item)).name]
    return tuple(people if len(people) < 2 else dict.fromkeys(people))


def integer(lowest: int, highest: int) -> Callable[[object], int | None]:
    """A cleaner of whole numbers between two limits, both allowed."""

    def clean(value: object) -> int | None:
        number = _whole_number(value)
        if number is not None and not lowest <= number <= highest:
            raise InvalidValueError(f"not between {lowest} and {highest}")
        return number

    return clean


_plain_year = integer(1800, 2200)


def year(value: object) -> int | None:
    """A year, also the year of a date or of a text that starts with one ("1997-07-22")."""
    if isinstance(value, date):
        value = value.year
    elif isinstance(value, str) and (found := _YEAR_FIRST.match(value.strip())):
        value = int(found[1])
    return _plain_year(value)


def moment(value: object) -> datetime | None:
    """UTC-aware datetime from ISO 8601, "2024/5/1 10:00", a date, or epoch seconds or milliseconds.

    A moment without an offset is taken as UTC.
    """
    try:
        return _moment(value)
    except (ValueError, OverflowError, OSError):  # the library's word for "no such date"
        raise InvalidValueError("not a date") from None


def isbn(value: object) -> str | None:
    """13 digits with a correct check digit."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # what pandas makes of a column with gaps
    text = optional_text(value)
    if text is None:
        return None
    return isbn13(text.removesuffix(".0")) or _refuse("check digit or length is wrong")


def _items(value: object) -> Iterable[Any]:
    if isinstance(value, str):
        return _split(value)
    if isinstance(value, list | tuple):
        return value
    if isinstance(value, Mapping):
        return (value,)
    raise InvalidValueError("not a list")


def _split(text: str) -> Iterable[Any]:
    stripped = text.strip()
    if stripped[:1] in {"[", "{"}:
        # A list of one synonym can look like "[Oshi no Ko]": what is no JSON is text.
        try:
            parsed = json.loads(stripped)
        except (ValueError, RecursionError):
            parsed = None
        if isinstance(parsed, list | dict):
            return parsed if isinstance(parsed, list) else (parsed,)
    # Entities end in ";": decode before splitting.
    return [part for part in _SEPARATOR.split(decode_entities(stripped)) if part.strip().lower() not in _NOTHING]


def _item_text(item: object) -> str | None:
    if isinstance(item, str):
        return clean_line(item)
    if item is None:
        return None
    if isinstance(item, Mapping):
        item = item.get("name")
    return None if item is None else required_text(item)


def _author(item: object) -> Author:
    if isinstance(item, Mapping):
        role = item.get("role")
        return Author(_item_text(item.get("name")) or "", None if role is None else label(role))
    return author_from_text(required_text(item) or "")


def author_from_text(text: str) -> Author:
    """ "name (role)" or "[role] name" of a cleaned line.

    Brackets without a space before them hold a role only if they read like one: some hold the person's troupe.
    """
    if (before := _ROLE_BEFORE.match(text)) is not None:
        return Author(before[2], before[1].strip())
    after = _ROLE_AFTER.match(text)
    if after is not None and (after[2] or _ROLE_WORDS.search(after[3])):
        return Author(after[1], after[3].strip() or None)
    return Author(text)


def _whole_number(value: object) -> int | None:
    if isinstance(value, bool):
        raise InvalidValueError("not a number")
    if isinstance(value, int):
        return value
    if isinstance(value, float | Decimal):
        if math.isnan(value):
            return None
        return int(value) if math.isfinite(value) and value == int(value) else _refuse("not a whole number")
    text = optional_text(value)
    if text is None:
        return None
    found = _INTEGER.match(text.replace(",", ""))
    return int(found[1]) if found else _refuse("not a whole number")


def _moment(value: object) -> datetime | None:
    if isinstance(value, datetime):
        return _utc(value)
    if isinstance(value, date):
        return datetime.combine(value, time(), UTC)
    if isinstance(value, int | float) and not isinstance(value, bool):
        if math.isnan(value):
            return None
        return datetime.fromtimestamp(value / 1000 if abs(value) >= _MILLISECONDS_FROM else value, UTC)
    text = optional_text(value)
    if text is None:
        return None
    return _utc(datetime.fromisoformat(_SLASHED_DATE.sub(_dashed, text) if "/" in text else text))


def _dashed(found: re.Match[str]) -> str:
    return f"{found[1]}-{int(found[2]):02}-{int(found[3]):02}"


def _utc(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _refuse(why: str) -> Never:
    raise InvalidValueError(why)
