"""How a request row looks as a DynamoDB item.

Belongs here: names and types of attributes, both ways. Stays out: conditions and writes (`requests.py`).

Partners and analysts read these items, so names and units are theirs: `status`, `cost_usd` (exact decimal), times as
ISO 8601 in UTC of one width, so that text sorts like time. Empty texts are left out: an index takes none.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from manga_enrichment.domain.requests.claims import RequestRow
from manga_enrichment.domain.requests.states import RequestState

_MICRO = Decimal(1_000_000)

NAMES = {each.name: each.name for each in fields(RequestRow)} | {"state": "status", "cost_micro_usd": "cost_usd"}
"""Attribute by field."""
_LEFT_OUT = dict.fromkeys(("partner_id", "receipt_handle", "message_id", "queue", "owner"), "")


def attribute(field: str, value: Any) -> tuple[str, dict[str, Any]]:
    """(name, DynamoDB value) of one field."""
    return NAMES[field], _WRITERS[field](value)


def to_item(row: RequestRow) -> dict[str, Any]:
    """All fields but empty texts."""
    item = dict(attribute(each.name, getattr(row, each.name)) for each in fields(RequestRow))
    return {name: value for name, value in item.items() if value != {"S": ""}}


def from_item(item: Mapping[str, Any]) -> RequestRow:
    """The row of an item; attributes that are no fields are passed over."""
    found = {field: item[name] for field, name in NAMES.items() if name in item}
    values: dict[str, Any] = {field: _READERS[field](value) for field, value in found.items()}
    return RequestRow(**{**_LEFT_OUT, **values})


def _text(value: str) -> dict[str, Any]:
    return {"S": value}


def _read_text(value: Any) -> str:
    return str(value["S"])


def _number(value: int) -> dict[str, Any]:
    return {"N": str(value)}


def _read_number(value: Any) -> int:
    return int(value["N"])


def _time(value: datetime | None) -> dict[str, Any]:
    return {"S": value.astimezone(UTC).isoformat(timespec="microseconds") if value else ""}


def _read_time(value: Any) -> datetime:
    return datetime.fromisoformat(value["S"])


def _seconds(value: float) -> dict[str, Any]:
    return {"N": f"{value:.3f}"}


def _read_seconds(value: Any) -> float:
    return float(value["N"])


def _usd(micro_usd: int) -> dict[str, Any]:
    return {"N": format(micro_usd / _MICRO, "f")}


def _read_usd(value: Any) -> int:
    return int(Decimal(value["N"]) * _MICRO)


def _state(value: RequestState) -> dict[str, Any]:
    return {"S": value.value}


def _read_state(value: Any) -> RequestState:
    return RequestState(value["S"])


def _flag(value: bool) -> dict[str, Any]:
    return {"BOOL": value}


def _read_flag(value: Any) -> bool:
    return bool(value["BOOL"])


def _counts(value: Mapping[str, int]) -> dict[str, Any]:
    return {"M": {name: _number(count) for name, count in value.items()}}


def _read_counts(value: Any) -> dict[str, int]:
    return {name: _read_number(count) for name, count in value["M"].items()}


_TIMES = ("submitted_at", "updated_at", "lease_until", "accepted_at", "claimed_at", "completed_at")
_NUMBERS = ("generation", "input_tokens", "output_tokens", "item_count", "cancelled_ms")
_WRITERS: dict[str, Callable[[Any], dict[str, Any]]] = {
    **dict.fromkeys(NAMES, _text),
    **dict.fromkeys(_TIMES, _time),
    **dict.fromkeys(_NUMBERS, _number),
    "state": _state,
    "cost_micro_usd": _usd,
    "counts": _counts,
    "reopened": _flag,
    "model_seconds": _seconds,
}
_READERS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(NAMES, _read_text),
    **dict.fromkeys(_TIMES, _read_time),
    **dict.fromkeys(_NUMBERS, _read_number),
    "state": _read_state,
    "cost_micro_usd": _read_usd,
    "counts": _read_counts,
    "reopened": _read_flag,
    "model_seconds": _read_seconds,
}
