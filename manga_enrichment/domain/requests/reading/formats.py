"""The formats of the request documents: what a pattern cannot say, or says less exactly.

Belongs here: one function per format, and the checker jsonschema asks. Stays out: callback URLs
(`domain/requests/callback_urls.py`) and check digits (`domain/catalog/isbn.py`).

All formats are matched from the first to the last character: `$` would let a trailing newline pass.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from types import MappingProxyType

from jsonschema import FormatChecker
from jsonschema.exceptions import FormatError

from manga_enrichment.domain.catalog.isbn import isbn13
from manga_enrichment.domain.catalog.records import MANGA_ID
from manga_enrichment.domain.requests.callback_urls import callback_problem

MAX_EMAIL_CHARACTERS = 254
MAX_EMAIL_LOCAL_CHARACTERS = 64

_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_ISBN_SPELLING = re.compile(r"[0-9][0-9 -]{8,15}[0-9X]")
_SNS_TOPIC = re.compile(r"arn:aws(?:-cn|-us-gov)?:sns:[a-z]{2,4}(?:-[a-z]+){1,3}-[0-9]:[0-9]{12}:[A-Za-z0-9_-]{1,256}")
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_EMAIL = re.compile(rf"(?P<local>{_ATOM}(?:\.{_ATOM})*)@(?:{_LABEL}\.)+[A-Za-z](?:[A-Za-z0-9-]{{0,61}}[A-Za-z0-9])")
_UTC_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|\+00:00)", re.ASCII)


def is_uuid(text: str) -> bool:
    """Whether this is a UUID with its hyphens, in either case."""
    return _UUID.fullmatch(text) is not None


def is_manga_id(text: str) -> bool:
    return MANGA_ID.match(text) is not None


def is_isbn(text: str) -> bool:
    """ISBN-10 or ISBN-13 with a correct check digit, with or without hyphens or spaces."""
    return _ISBN_SPELLING.fullmatch(text) is not None and isbn13(text) is not None


def is_sns_topic_arn(text: str) -> bool:
    """The shape of a standard topic's ARN; whether we may publish there is another question."""
    return _SNS_TOPIC.fullmatch(text) is not None


def is_email(text: str) -> bool:
    """An address in ASCII as people have it; no quoted local parts, comments or address literals."""
    if len(text) > MAX_EMAIL_CHARACTERS:
        return False
    found = _EMAIL.fullmatch(text)
    return found is not None and len(found["local"]) <= MAX_EMAIL_LOCAL_CHARACTERS


def is_utc_time(text: str) -> bool:
    """Whether `utc_time` can read it."""
    try:
        utc_time(text)
    except ValueError:
        return False
    return True


def utc_time(text: str) -> datetime:
    """The moment that an ISO 8601 text in UTC names, UTC-aware. Raises ValueError for anything else.

    Clocks of .NET tell seven digits of a second, those of Java and Go nine: what is below a microsecond is cut off.
    """
    if _UTC_TIME.fullmatch(text) is None:
        raise ValueError("not ISO 8601 in UTC")
    return datetime.fromisoformat(text).astimezone(UTC)


_FORMATS: Mapping[str, tuple[Callable[[str], bool], str]] = MappingProxyType(
    {
        "uuid": (is_uuid, "must be a UUID (8-4-4-4-12 hexadecimal digits)"),
        "manga_id": (is_manga_id, "must be MNG- and eight capital letters or digits"),
        "isbn": (is_isbn, "must be an ISBN-10 or ISBN-13 with a correct check digit"),
        "sns_topic_arn": (is_sns_topic_arn, "must be the ARN of an SNS topic"),
        "email": (is_email, "must be an e-mail address in ASCII"),
        "utc_time": (is_utc_time, "must be ISO 8601 in UTC, such as 2026-01-31T09:00:00Z"),
    }
)


@cache
def format_checker() -> FormatChecker:
    """The checker with our formats and no others."""
    checker = FormatChecker(formats=())
    for name, (accepts, complaint) in _FORMATS.items():
        checker.checks(name, raises=FormatError)(_check(accepts, complaint))
    checker.checks("callback_url", raises=FormatError)(_check_callback)
    return checker


def _check(accepts: Callable[[str], bool], complaint: str) -> Callable[[object], bool]:
    def check(value: object) -> bool:
        if isinstance(value, str) and not accepts(value):
            raise FormatError(complaint)
        return True

    return check


def _check_callback(value: object) -> bool:
    complaint = callback_problem(value) if isinstance(value, str) else None
    if complaint is not None:
        raise FormatError(complaint)
    return True
