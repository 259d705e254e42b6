"""One raw value of a number field -> a whole number.

Belongs here: counts and years as files and people write them. Stays out: moments (`moments.py`).
"""

import math
import re
import unicodedata
from collections.abc import Callable
from datetime import date
from decimal import Decimal

from manga_enrichment.domain.catalog.values import InvalidValueError, label, refuse
from manga_enrichment.domain.catalog.warnings import Note, WarningReason, no_note

_COUNT = re.compile(
    r"(?:全|既刊|計|約)?\s*([+-]?[0-9]{1,12})(?:\.0{1,6})?\s*"
    r"(?:\+|巻|冊|話|章|回|卷|册|권|화|v\b|vols?\b\.?|volumes?\b|tomes?\b|bände?\b|chapters?\b|chs?\b\.?|books?\b)?\s*"
    r"(?:[(\[][^()\[\]]{0,40}[)\]]|完結?|続刊中?|以上|ongoing|completed?)?\s*\Z",
    re.IGNORECASE,
)
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = rf"(?:{'|'.join(MONTHS)})[a-z]*\.?"
_YEARS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"([0-9]{4})(?=[-/年.~\s〜–—T]|\Z)",
        rf"(?:[0-9]{{1,2}}[a-z]{{0,2}}\s+)?{_MONTH},?\s+(?:[0-9]{{1,2}}[a-z]{{0,2}},?\s+)?([0-9]{{4}})\b",
        r"[0-9]{1,2}[-/.][0-9]{1,2}[-/.]([0-9]{4})\b",
        r"(?:c|ca|circa|©|\(c\)|spring|summer|autumn|fall|winter)?\.?\s*[(\[]?([0-9]{4})[)\]]?\Z",
    )
)
_ERAS = {"明治": 1867, "大正": 1911, "昭和": 1925, "平成": 1988, "令和": 2018}
_ERA_YEAR = re.compile(rf"({'|'.join(_ERAS)})\s*(元|[0-9]{{1,2}})(?=年|[-/.]|\Z)")
_ANY_YEAR = re.compile(r"(?<![0-9])(?:1[89]|2[01])[0-9]{2}(?![0-9])")
_YEAR_DIGITS = 4
_MOST_DIGITS = 12
_FIRST_YEAR, _LAST_YEAR = 1800, 2200


def integer(lowest: int, highest: int) -> Callable[[object, Note], int | None]:
    """A cleaner of whole numbers between two limits, both allowed; "全37巻" and "37 vols" are 37."""

    def clean(value: object, note: Note = no_note) -> int | None:
        number = whole_number(value, note)
        if number is not None and not lowest <= number <= highest:
            raise InvalidValueError(f"not between {lowest} and {highest}")
        return number

    return clean


def year(value: object, note: Note = no_note) -> int | None:
    """A year, also the year of a date, or the first of a range, as sources write them ("Aug 1989 to ?", "昭和64年")."""
    if isinstance(value, date):
        return value.year
    if not isinstance(value, str):
        return _year_of_number(whole_number(value, note))
    if len(value) == _YEAR_DIGITS and value.isascii() and value.isdigit():
        return _year_of_number(int(value))
    text = label(value, note)
    if text is None:
        return None
    text = " ".join(unicodedata.normalize("NFKC", text).split())
    found = _year_in(text)
    if found is None:
        return _year_of_number(whole_number(text, note))
    if len(set(_ANY_YEAR.findall(text))) > 1:
        note(WarningReason.REDUCED)
    return _year_of_number(found)


def whole_number(value: object, note: Note = no_note) -> int | None:
    if isinstance(value, bool):
        raise InvalidValueError("not a number")
    if isinstance(value, int):
        return value
    if isinstance(value, str) and len(value) <= _MOST_DIGITS and value.isascii() and value.isdigit():
        return int(value)
    if isinstance(value, float | Decimal):
        if math.isnan(value):
            return None
        return int(value) if math.isfinite(value) and value == int(value) else refuse("not a whole number")
    text = label(value, note)
    if text is None:
        return None
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    found = _COUNT.match(text.replace(",", ""))
    return int(found[1]) if found else refuse("not a whole number")


def _year_in(text: str) -> int | None:
    era = _ERA_YEAR.match(text)
    if era is not None:
        return _ERAS[era[1]] + (1 if era[2] == "元" else int(era[2]))
    found = next((match for match in (pattern.match(text) for pattern in _YEARS) if match), None)
    return None if found is None else int(found[1])


def _year_of_number(number: int | None) -> int | None:
    """Of 1997, 199708 or 19970822."""
    if number is None:
        return None
    for candidate, is_date in (
        (number, True),
        (number // 100, 1 <= number % 100 <= 12),
        (number // 10_000, 1 <= number // 100 % 100 <= 12 and 1 <= number % 100 <= 31),
    ):
        if is_date and _FIRST_YEAR <= candidate <= _LAST_YEAR:
            return candidate
    return refuse(f"not between {_FIRST_YEAR} and {_LAST_YEAR}")
