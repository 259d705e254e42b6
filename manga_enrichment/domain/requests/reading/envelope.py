"""From a queue message to a request, or the reason why it is none.

Belongs here: parsing strictly, the envelope's own fields, reasons for refusal. Stays out: receiving, claiming and
dead-lettering (`pipeline/partner/intake.py`), the body's rules (`domain/requests/validation.py`).

Anything may be in a queue: messages are sent by API Gateway, by hand, by a redrive, by a program with a fault. Nothing
of a message is used before it was checked here; `request_id` above all, since it becomes part of object keys.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Never

from manga_enrichment.domain.requests.problems import Code, Problem, in_order, problem, quoted, schema_problems
from manga_enrichment.domain.requests.reading.formats import is_utc_time, utc_time
from manga_enrichment.domain.requests.reading.json_shape import read_shape
from manga_enrichment.domain.requests.schemas import ENVELOPE, QUOTE, schema_validator
from manga_enrichment.domain.requests.validation import MAX_ERRORS, RequestPolicy, ValidationResult, validate

MAX_MESSAGE_BYTES = 1024 * 1024
"""What SQS takes."""

_MAX_NUMBER_CHARACTERS = 40
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class RejectionReason(StrEnum):
    """Why a message is no request; the values stand in status rows and in attributes of dead letters."""

    TOO_LARGE = "too_large"
    MALFORMED_JSON = "malformed_json"
    DUPLICATE_KEY = "duplicate_key"
    UNSAFE_JSON = "unsafe_json"
    NOT_AN_OBJECT = "not_an_object"
    UNKNOWN_SCHEMA = "unknown_schema"
    UNSUPPORTED_VERSION = "unsupported_version"
    INVALID_REQUEST_ID = "invalid_request_id"
    INVALID_PARTNER_ID = "invalid_partner_id"
    INVALID_SUBMITTED_AT = "invalid_submitted_at"
    INVALID_SOURCE = "invalid_source"
    INVALID_BODY = "invalid_body"
    INVALID_ENVELOPE = "invalid_envelope"
    TOKEN_LIMIT_EXCEEDED = "token_limit_exceeded"  # noqa: S105 - not that kind of token


_REASONS = MappingProxyType(
    {
        "schema": RejectionReason.UNKNOWN_SCHEMA,
        "schema_version": RejectionReason.UNSUPPORTED_VERSION,
        "request_id": RejectionReason.INVALID_REQUEST_ID,
        "partner_id": RejectionReason.INVALID_PARTNER_ID,
        "submitted_at": RejectionReason.INVALID_SUBMITTED_AT,
        "source": RejectionReason.INVALID_SOURCE,
        "body": RejectionReason.INVALID_BODY,
    }
)
"""By field of the envelope, in the order in which the first one found counts."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """A message whose own fields are right. body is an object and nothing more is known of it.

    request_id is a UUID in lower case; submitted_at is UTC-aware.
    """

    schema: str
    schema_version: int
    request_id: str
    partner_id: str
    submitted_at: datetime
    source: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rejection:
    """A message that is no request.

    message       one sentence of printable ASCII, without values of the message
    request_id    only if it is valid: the request can then be told that it is rejected; likewise partner_id
    schema        "" unless it is a known one
    problems      all that is wrong, with places; the last one counts what is not listed
    callback_url  the body's, if nothing is wrong with that; email likewise. "" for a quote, of which nobody is told
    """

    reason: RejectionReason
    message: str
    request_id: str | None = None
    partner_id: str | None = None
    schema: str = ""
    problems: tuple[Problem, ...] = ()
    callback_url: str = ""
    email: str = ""

    @property
    def explanation(self) -> str:
        """All problems in words."""
        return "; ".join(f"{each.path}: {each.message}" for each in self.problems) or self.message


@dataclass(frozen=True, slots=True)
class AcceptedRequest:
    """An envelope with a valid body; body is the normalised one."""

    envelope: Envelope
    body: dict[str, Any]
    result: ValidationResult


def read_request(message_body: str, policy: RequestPolicy) -> AcceptedRequest | Rejection:
    """All a worker checks before it works on a message: envelope and body. Raises what `policy.partners` raises."""
    envelope = parse_envelope(message_body)
    if isinstance(envelope, Rejection):
        return envelope
    result = validate(envelope.schema, envelope.body, policy, partner_id=envelope.partner_id)
    if result.normalized_body is None:
        return body_rejection(envelope, result)
    return AcceptedRequest(envelope, result.normalized_body, result)


def parse_envelope(message_body: str) -> Envelope | Rejection:
    """The envelope of a message, its body unchecked. Never raises."""
    try:
        document = _strict_json(message_body)
    except _RefusedError as refused:
        return Rejection(refused.reason, refused.message)
    shape = read_shape(document)
    if shape.hazards:
        return _rejection(RejectionReason.UNSAFE_JSON, document, shape.hazards)
    if not isinstance(document, dict):
        return Rejection(RejectionReason.NOT_AN_OBJECT, "the message is no JSON object")
    found = in_order(schema_problems(schema_validator(ENVELOPE).iter_errors(_in_milliseconds(document))))
    if found:
        return _rejection(_envelope_reason(found), document, found)
    return _envelope(document)


def body_rejection(envelope: Envelope, result: ValidationResult) -> Rejection:
    """The rejection of a request whose body was found invalid."""
    codes = {each.code for each in result.errors}
    only_too_large = codes == {Code.TOKEN_LIMIT_EXCEEDED}
    reason = RejectionReason.TOKEN_LIMIT_EXCEEDED if only_too_large else RejectionReason.INVALID_BODY
    omitted = result.errors_omitted
    more = problem((), Code.MORE_PROBLEMS, "count", f"{omitted} more problems are not listed")
    is_told = not omitted and envelope.schema != QUOTE
    return Rejection(
        reason=reason,
        message=_sentence(result.errors, len(result.errors) + omitted),
        request_id=envelope.request_id,
        partner_id=envelope.partner_id,
        schema=envelope.schema,
        problems=(*result.errors, more) if omitted else result.errors,
        callback_url=_sound(envelope.body, result.errors, "callback_url") if is_told else "",
        email=_sound(envelope.body, result.errors, "notification", "email") if is_told else "",
    )


def _sound(body: Mapping[str, Any], errors: Sequence[Problem], *place: str) -> str:
    """The text at a place of a body that is invalid elsewhere; "" when there is none, or something is wrong with it."""
    value: Any = body
    for name in place:
        value = value.get(name) if isinstance(value, dict) else None
    is_wrong = any(each.location == place[: len(each.location)] for each in errors if each.location)
    return value if isinstance(value, str) and not is_wrong else ""


def is_partner_id(text: str) -> bool:
    """Whether an envelope may name this partner."""
    return "partner_id" in _valid_fields({"partner_id": text})


class _RefusedError(ValueError):
    def __init__(self, reason: RejectionReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def _strict_json(text: str) -> Any:
    """JSON as the standard has it: no NaN, no key twice, no number that takes long to read. Raises _RefusedError."""
    if len(text) > MAX_MESSAGE_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_MESSAGE_BYTES:
        raise _RefusedError(RejectionReason.TOO_LARGE, f"the message has more than {MAX_MESSAGE_BYTES} bytes")
    try:
        return json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_float,
            parse_constant=_constant,
        )
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise _RefusedError(RejectionReason.MALFORMED_JSON, f"the message is not JSON at {where}") from None
    except RecursionError:
        raise _RefusedError(RejectionReason.UNSAFE_JSON, "the message is nested too deeply") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Parsers differ in which of two values they take: what one checks, another may not use."""
    document = dict(pairs)
    if len(document) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = quoted(name for name, count in counts.items() if count > 1)
        raise _RefusedError(RejectionReason.DUPLICATE_KEY, f"an object has a key more than once: {twice}")
    return document


def _integer(digits: str) -> int:
    _refuse_long_number(digits)
    return int(digits)


def _float(digits: str) -> float:
    _refuse_long_number(digits)
    return float(digits)


def _refuse_long_number(digits: str) -> None:
    if len(digits) > _MAX_NUMBER_CHARACTERS:
        message = f"a number has more than {_MAX_NUMBER_CHARACTERS} characters"
        raise _RefusedError(RejectionReason.UNSAFE_JSON, message)


def _constant(name: str) -> Never:
    raise _RefusedError(RejectionReason.MALFORMED_JSON, f"{name} is not JSON")


def _in_milliseconds(document: dict[str, Any]) -> dict[str, Any]:
    """A time that is told as text is held to the bounds of the number: rows and partitions are named by it."""
    told = document.get("submitted_at")
    if not (isinstance(told, str) and is_utc_time(told)):
        return document
    return {**document, "submitted_at": (utc_time(told) - _EPOCH) // timedelta(milliseconds=1)}


def _envelope(document: dict[str, Any]) -> Envelope:
    return Envelope(
        schema=document["schema"],
        schema_version=int(document["schema_version"]),
        request_id=document["request_id"],
        partner_id=document["partner_id"],
        submitted_at=_moment(document["submitted_at"]),
        source=document["source"],
        body=document["body"],
    )


def _moment(value: str | float) -> datetime:
    return utc_time(value) if isinstance(value, str) else _EPOCH + timedelta(milliseconds=int(value))


def _envelope_reason(found: Sequence[Problem]) -> RejectionReason:
    wrong = {each.location[0] for each in found if each.location}
    return next((reason for field, reason in _REASONS.items() if field in wrong), RejectionReason.INVALID_ENVELOPE)


def _rejection(reason: RejectionReason, document: Any, found: Sequence[Problem]) -> Rejection:
    valid = _valid_fields(document)
    return Rejection(
        reason=reason,
        message=_sentence(found, len(found)),
        request_id=valid.get("request_id"),
        partner_id=valid.get("partner_id"),
        schema=valid.get("schema", ""),
        problems=tuple(found[:MAX_ERRORS]),
    )


def _valid_fields(document: Any) -> dict[str, str]:
    """Of the fields that name a request, those that can be trusted although others cannot."""
    if not isinstance(document, dict):
        return {}
    named = {name: document.get(name) for name in ("request_id", "partner_id", "schema")}
    wrong = {error.absolute_path[0] for error in schema_validator(ENVELOPE).iter_errors(named) if error.absolute_path}
    return {name: value for name, value in named.items() if isinstance(value, str) and name not in wrong}


def _sentence(found: Sequence[Problem], count: int) -> str:
    more = f" (and {count - 1} more)" if count > 1 else ""
    return f"{found[0].path}: {found[0].message}{more}"
