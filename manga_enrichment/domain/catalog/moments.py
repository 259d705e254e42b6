"""One raw value of a date field -> a moment in UTC.

Belongs here: the ways files write a moment. Stays out: years alone (`numbers.py`).
"""

import math
import re
import unicodedata
from datetime import UTC, date, datetime, time
from decimal import Decimal
from email.utils import parsedate_to_datetime

from manga_enrichment.domain.catalog.numbers import MONTHS
from manga_enrichment.domain.catalog.values import InvalidValueError, label, refuse
from manga_enrichment.domain.catalog.warnings import Note, no_note

_SLASHED_DATE = re.compile(r"([0-9]{4})[/.年]([0-9]{1,2})[/.月]([0-9]{1,2})日?(?=\Z|[ T])")
_OFFSET = re.compile(r"\s*(?:([+-][0-9]{2}):?([0-9]{2})|(UTC|GMT)|(JST))\Z", re.IGNORECASE)
_YEAR_AND_MONTH = re.compile(r"([0-9]{4})[-/.年]([0-9]{1,2})月?\Z")
_MONTH_NAMED = re.compile(rf"({'|'.join(MONTHS)})[a-z]*\.?\s+(?:([0-9]{{1,2}}),?\s+)?([0-9]{{4}})\Z", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]{4,19}(?:\.[0-9]{1,9})?\Z")
_EARLIEST_EPOCH_SECONDS = 10**8
"""March 1973; a smaller number is no moment of a catalog but a mistake."""
_SMALLEST_OF_UNIT = ((10**17, 10**9), (10**14, 10**6), (10**11, 10**3))
"""Epoch numbers from these on are nanoseconds, microseconds, milliseconds: as seconds they were the year 5138."""


def moment(value: object, note: Note = no_note) -> datetime | None:
    """UTC-aware datetime from ISO 8601, "2024/5/1 10:00", "20240501", "May 1, 2024", a date, or an epoch number.

    A moment without an offset is taken as UTC.
    """
    try:
        return _moment(value, note)
    except (ValueError, OverflowError, OSError):  # the library's word for "no such date"
        raise InvalidValueError("not a date") from None


def _moment(value: object, note: Note) -> datetime | None:
    if isinstance(value, str) and value[4:5] == "-" and value.isascii():
        try:
            return _utc(datetime.fromisoformat(value))
        except ValueError:
            pass  # not written as nearly all are
    if isinstance(value, datetime):
        return _utc(value)
    if isinstance(value, date):
        return datetime.combine(value, time(), UTC)
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return None if math.isnan(value) else _of_number(value)
    text = label(value, note)
    if text is None:
        return None
    text = unicodedata.normalize("NFKC", text)
    return _of_number(Decimal(text)) if _NUMBER.match(text) else _of_text(text)


def _of_number(number: float | Decimal) -> datetime:
    whole = int(number)
    if whole == number and (calendar := _calendar(str(whole))) is not None:
        return calendar
    if number < _EARLIEST_EPOCH_SECONDS:
        raise InvalidValueError("too small for an epoch number")
    unit = next((unit for smallest, unit in _SMALLEST_OF_UNIT if number >= smallest), 1)
    return datetime.fromtimestamp(float(number) / unit, UTC)


def _calendar(digits: str) -> datetime | None:
    """2024, 202405, 20240501 and 20240501103000 are dates; None where the digits are none."""
    form = {4: "%Y", 6: "%Y%m", 8: "%Y%m%d", 14: "%Y%m%d%H%M%S"}.get(len(digits))
    if form is None or not "1800" <= digits[:4] <= "2200":
        return None
    try:
        return datetime.strptime(digits, form).replace(tzinfo=UTC)
    except ValueError:
        return None


def _of_text(text: str) -> datetime:
    if (month := _YEAR_AND_MONTH.match(text)) is not None:
        return datetime(int(month[1]), int(month[2]), 1, tzinfo=UTC)
    if (named := _MONTH_NAMED.match(text)) is not None:
        return datetime(int(named[3]), MONTHS.index(named[1].lower()) + 1, int(named[2] or 1), tzinfo=UTC)
    iso = _OFFSET.sub(_iso_offset, _SLASHED_DATE.sub(_dashed, text))
    try:
        return _utc(datetime.fromisoformat(iso))
    except ValueError:
        return _utc(parsedate_to_datetime(text) or refuse("not a date"))


def _iso_offset(found: re.Match[str]) -> str:
    if found[1]:
        # "2010-01-0500" would lose its day to an offset: one stands after a time.
        return f"{found[1]}:{found[2]}" if ":" in found.string[: found.start()] else found[0]
    return "+00:00" if found[3] else "+09:00"


def _dashed(found: re.Match[str]) -> str:
    return f"{found[1]}-{int(found[2]):02}-{int(found[3]):02}"


def _utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    return value if value.tzinfo is UTC else value.astimezone(UTC)
