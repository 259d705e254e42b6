"""Errors and warnings about a request, in words that can be shown, logged and sent anywhere.

Belongs here: `Problem`, its codes, its order, the wording of JSON Schema errors. Stays out: finding problems.

A message never repeats a value: values are long, private or hostile. It is printable ASCII of bounded length, so it
fits a log line, an SQS attribute and a mail as it is. Only names of fields are quoted, shortened and escaped.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, TypeAlias

from jsonschema.exceptions import FormatError, ValidationError

Location: TypeAlias = tuple[str | int, ...]
"""Where in a body: names of fields and positions in lists, from the outside in; () is the body itself."""

MAX_MESSAGE_CHARACTERS = 200
MAX_PATH_CHARACTERS = 200
MAX_NAME_CHARACTERS = 40
MAX_NAMES = 3


class Code(StrEnum):
    """What is wrong, for programs. Those that end in _WARNING reject nothing."""

    UNKNOWN_SCHEMA = "UNKNOWN_SCHEMA"
    UNSAFE_JSON = "UNSAFE_JSON"
    NOT_A_FINITE_NUMBER = "NOT_A_FINITE_NUMBER"
    SCHEMA_VIOLATION = "SCHEMA_VIOLATION"
    TOPIC_NOT_ALLOWED = "TOPIC_NOT_ALLOWED"
    NOT_ALLOWED = "NOT_ALLOWED"
    CONTROL_CHARACTER = "CONTROL_CHARACTER"
    LONE_SURROGATE = "LONE_SURROGATE"
    NONCHARACTER = "NONCHARACTER"
    BIDI_CONTROL = "BIDI_CONTROL"
    HIDDEN_TEXT = "HIDDEN_TEXT"
    BLANK_TEXT = "BLANK_TEXT"
    TOKEN_LIMIT_EXCEEDED = "TOKEN_LIMIT_EXCEEDED"  # noqa: S105 - not that kind of token
    MORE_PROBLEMS = "MORE_PROBLEMS"
    TOKEN_LIMIT_WARNING = "TOKEN_LIMIT_WARNING"  # noqa: S105
    MIXED_SCRIPT_WARNING = "MIXED_SCRIPT_WARNING"
    INVISIBLE_CHARACTER_WARNING = "INVISIBLE_CHARACTER_WARNING"
    UNREADABLE_CHARACTER_WARNING = "UNREADABLE_CHARACTER_WARNING"
    BLANK_TEXT_WARNING = "BLANK_TEXT_WARNING"
    DUPLICATE_ITEM_WARNING = "DUPLICATE_ITEM_WARNING"
    EMAIL_NOT_SENT_WARNING = "EMAIL_NOT_SENT_WARNING"
    NOT_STREAMED_WARNING = "NOT_STREAMED_WARNING"
    TEMPERATURE_WARNING = "TEMPERATURE_WARNING"
    LONG_TEXT_WARNING = "LONG_TEXT_WARNING"

    @property
    def is_warning(self) -> bool:
        return self.value.endswith("_WARNING")


@dataclass(frozen=True, slots=True)
class Problem:
    """One error or warning. validator names the rule: a JSON Schema keyword, or a check of ours."""

    location: Location
    code: Code
    validator: str
    message: str

    @property
    def path(self) -> str:
        """The location as text, for example items.3.manga_id; $ is the body itself."""
        return _shortened(".".join(_name(part) for part in self.location), MAX_PATH_CHARACTERS) or "$"

    def to_document(self) -> dict[str, str]:
        """For answers, status rows and messages."""
        return {"path": self.path, "code": self.code.value, "validator": self.validator, "message": self.message}


def problem(location: Location, code: Code, validator: str, message: str) -> Problem:
    """A problem whose message is cut to its limit."""
    return Problem(location, code, validator, _shortened(message, MAX_MESSAGE_CHARACTERS))


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Each problem once, by location (positions as numbers), then rule, code and message: never by chance."""
    return sorted(dict.fromkeys(problems), key=_sort_key)


def schema_problems(errors: Iterable[ValidationError]) -> list[Problem]:
    """JSON Schema errors as problems.

    Where a format and a pattern find fault with the same text, only the format speaks: it says why.
    """
    found = list(errors)
    explained = {tuple(error.absolute_path) for error in found if error.validator == "format"}
    return [
        problem(tuple(error.absolute_path), Code.SCHEMA_VIOLATION, str(error.validator), _wording(error))
        for error in found
        if not (error.validator == "pattern" and tuple(error.absolute_path) in explained)
    ]


def quoted(names: Iterable[object]) -> str:
    """Names for a message: sorted, escaped, shortened, and not too many of them."""
    every = sorted(_name(name) for name in names)
    more = f" and {len(every) - MAX_NAMES} more" if len(every) > MAX_NAMES else ""
    return ", ".join(f"'{name}'" for name in every[:MAX_NAMES]) + more


def _sort_key(each: Problem) -> tuple[Any, ...]:
    parts = tuple((0, part, "") if isinstance(part, int) else (1, 0, part) for part in each.location)
    return parts, each.validator, each.code, each.message


def _name(part: object) -> str:
    if isinstance(part, str) and part.isascii() and part.isprintable():
        return _shortened(part, MAX_NAME_CHARACTERS)
    text = str(part)[: MAX_NAME_CHARACTERS + 1] if isinstance(part, str | int | float) else type(part).__name__
    return _shortened(text.encode("ascii", "backslashreplace").decode().translate(_ESCAPES), MAX_NAME_CHARACTERS)


_ESCAPES = MappingProxyType({code: f"\\x{code:02x}" for code in (*range(32), 127)})


def _shortened(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 3] + "..."


_KINDS = MappingProxyType(
    {
        "object": "an object",
        "array": "a list",
        "string": "text",
        "integer": "a whole number",
        "number": "a number",
        "boolean": "true or false",
        "null": "null",
    }
)


def _wording(error: ValidationError) -> str:
    if isinstance(error.cause, FormatError):
        return str(error.cause.message)
    wording = _WORDINGS.get(str(error.validator))
    if wording is None:
        return f"does not satisfy {error.validator}"
    return wording(error.validator_value, error.instance, error.schema)


def _type(expected: Any, _found: Any, _schema: Any) -> str:
    kinds = [expected] if isinstance(expected, str) else expected
    return f"must be {' or '.join(_KINDS[kind] for kind in kinds)}"


def _required(expected: Any, found: Any, _schema: Any) -> str:
    return f"misses {quoted(name for name in expected if name not in found)}"


def _unknown_fields(_expected: Any, found: Any, schema: Any) -> str:
    return f"has unknown fields: {quoted(found.keys() - schema['properties'].keys())}"


# Each gets what the schema demands, the value, and the schema around the demand.
_WORDINGS: Mapping[str, Callable[[Any, Any, Any], str]] = MappingProxyType(
    {
        "type": _type,
        "required": _required,
        "additionalProperties": _unknown_fields,
        "enum": lambda expected, _found, _schema: f"must be one of {', '.join(map(str, expected))}",
        "pattern": lambda expected, _found, _schema: f"must match {expected}",
        "minLength": lambda expected, _found, _schema: f"must have at least {expected} character(s)",
        "maxLength": lambda expected, found, _schema: f"must have at most {expected} characters, has {len(found)}",
        "minItems": lambda expected, _found, _schema: f"must have at least {expected} item(s)",
        "maxItems": lambda expected, found, _schema: f"must have at most {expected} items, has {len(found)}",
        "minimum": lambda expected, _found, _schema: f"must be at least {expected}",
        "maximum": lambda expected, _found, _schema: f"must be at most {expected}",
    }
)
