"""How the server says no: the service's exceptions, and the checks of JSON shapes that raise them.

Belongs here: `ServiceError` with the status of every exception name, small typed readers of JSON values.
Stays out: which fields a request has (`converse.py`, `claude_messages.py`), what a model allows (`checks.py`).
The status codes are those of botocore's bedrock-runtime model; a test holds the two together.
"""

from typing import Any

import orjson

STATUS_CODES = {
    "AccessDeniedException": 403,
    "ConflictException": 400,
    "InternalServerException": 500,
    "ModelErrorException": 424,
    "ModelNotReadyException": 429,
    "ModelTimeoutException": 408,
    "ResourceNotFoundException": 404,
    "ServiceUnavailableException": 503,
    "ThrottlingException": 429,
    "ValidationException": 400,
}


class ServiceError(Exception):
    """An answer other than 200: the exception's name on the wire, its message, whole seconds of Retry-After."""

    def __init__(self, name: str, message: str, *, retry_after_seconds: int | None = None) -> None:
        super().__init__(message)
        self.name = name
        self.message = message
        self.retry_after_seconds = retry_after_seconds

    @property
    def status_code(self) -> int:
        return STATUS_CODES[self.name]


def invalid(message: str) -> ServiceError:
    """A ValidationException with this message."""
    return ServiceError("ValidationException", message)


def parse_json(raw: bytes) -> Any:
    """The decoded body. Raises ValidationException when it is not JSON."""
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise invalid(f"The request body is not valid JSON: {error}") from error


def expect_object(value: Any, where: str, keys: frozenset[str] | None = None) -> dict[str, Any]:
    """`value` as an object with no keys but `keys` (None: any). Raises ValidationException naming `where`."""
    if not isinstance(value, dict):
        raise invalid(f"{where} must be an object")
    if keys is not None and (unknown := value.keys() - keys):
        raise invalid(f"{where}: extraneous key [{min(unknown)}] is not permitted")
    return value


def expect_input_schema(value: Any, where: str) -> dict[str, Any]:
    """A tool's JSON Schema; the service takes none but object schemas."""
    schema = expect_object(value, where)
    if schema.get("type") != "object":
        raise invalid(f"The value at {where}.type must be one of the following: object.")
    return schema


def expect_list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise invalid(f"{where} must be a list")
    return value


def expect_text(value: Any, where: str) -> str:
    """A string that is not blank: the service rejects blank text blocks, so a stand-in has to as well."""
    if not isinstance(value, str):
        raise invalid(f"{where} must be a string")
    if not value.strip():
        raise invalid(f"The text field at {where} is blank. Add text to the text field, and try again.")
    return value


def expect_name(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise invalid(f"{where} must be a non-empty string")
    return value


def expect_positive_integer(value: Any, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise invalid(f"{where} must be an integer of at least 1")
    return value


def expect_fraction(value: Any, where: str) -> float:
    """A number from 0 to 1, as temperature and topP are."""
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value <= 1:
        raise invalid(f"{where} must be a number from 0 to 1")
    return float(value)
