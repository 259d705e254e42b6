"""A column of an answer as something that people fill in, and what they filled in as a value of that column.

Belongs here: which kind of field a column has, its value as text, a text as its value. Stays out: whether the value may
stand in an answer (`pipeline/labels/corrections.py`), markup (`templates/correcting.html`).

Lists are a line each; where each is of several parts, a line is like `romance | 0.9`.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from manga_enrichment.domain.tables.columns import Column, ListOf, Scalar, StructOf

_YES_NO = ("yes", "no")
_PART = " | "


class UnreadableValueError(Exception):
    """What stands in the field is no value of its column; says what would be."""


@dataclass(frozen=True, slots=True)
class Field:
    """kind: `choice` of one value, `choices` of any, `number`, or `lines` of text."""

    column: Column

    @property
    def kind(self) -> str:
        if self.choices:
            return "choices" if isinstance(self.column.type, ListOf) else "choice"
        return "number" if self.column.type in ("int64", "float64") else "lines"

    @property
    def choices(self) -> Sequence[str]:
        return _YES_NO if self.column.type == "bool" else self.column.values

    @property
    def help(self) -> str:
        kind = self.column.type
        if isinstance(kind, ListOf) and isinstance(kind.item, StructOf):
            return f"A line each: {_PART.join(name for name, _scalar in kind.item.fields)}."
        return "A line each." if self.kind == "lines" and isinstance(kind, ListOf) else ""

    def typed(self, value: Any) -> list[str]:
        """As it would have been filled in; several texts for `choices` alone."""
        if value is None:
            return [""]
        if isinstance(self.column.type, ListOf):
            lines = [_line(self.column.type.item, each) for each in value]
            return lines if self.choices else ["\n".join(lines)]
        if isinstance(value, bool):
            return [_YES_NO[0] if value else _YES_NO[1]]
        return [str(value)]

    def meant(self, typed: Sequence[str]) -> Any:
        """As JSON has it; None where nothing was filled in and that may be. Raises UnreadableValueError."""
        kind = self.column.type
        if isinstance(kind, ListOf):
            lines = [line.strip() for text in typed for line in text.split("\n")]
            return [_item(kind.item, line) for line in lines if line]
        text = (typed[0] if typed else "").strip()
        if not text and self.column.nullable:
            return None
        if self.choices and text not in self.choices:
            raise UnreadableValueError(f"It is one of {', '.join(self.choices)}, not {text!r:.60}")
        return _scalar(kind, text) if not isinstance(kind, StructOf) else _item(kind, text)


def _line(item: Scalar | StructOf, value: Any) -> str:
    if not isinstance(item, StructOf):
        return str(value)
    return _PART.join("" if value.get(name) is None else str(value[name]) for name, _kind in item.fields)


def _item(item: Scalar | StructOf, line: str) -> Any:
    if not isinstance(item, StructOf):
        return _scalar(item, line)
    parts = [part.strip() for part in line.split(_PART.strip(), len(item.fields) - 1)]
    if len(parts) != len(item.fields):
        raise UnreadableValueError(f"A line is {_PART.join(name for name, _ in item.fields)}, not {line!r:.60}")
    return {name: _scalar(kind, part) for (name, kind), part in zip(item.fields, parts, strict=True)}


def _scalar(kind: Scalar, text: str) -> Any:
    if kind == "bool":
        return text == _YES_NO[0]
    if kind not in ("int64", "float64"):
        return text
    try:
        number = json.loads(text)
    except ValueError:
        number = None
    is_finite = not isinstance(number, float) or math.isfinite(number)
    if isinstance(number, bool) or not isinstance(number, int if kind == "int64" else int | float) or not is_finite:
        raise UnreadableValueError(f"It is a {'whole number' if kind == 'int64' else 'number'}, not {text!r:.60}")
    return number
