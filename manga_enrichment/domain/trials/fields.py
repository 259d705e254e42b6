"""How alike two values of one column are, from 0 to 1, by what the column holds.

Belongs here: which columns are compared in which way. Stays out: what follows over many titles (`comparison.py`).
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

from manga_enrichment.domain.tables.columns import Column, ListOf, StructOf

_SPACE = re.compile(r"\s+")


class Likeness(StrEnum):
    """exact: 1 or 0. overlap: of two sets, shared by all (Jaccard). closeness: 1 less the difference of two numbers.
    wording: pairs of letters that two texts share (Dice); says how alike they are worded, not which is better."""

    EXACT = "exact"
    OVERLAP = "overlap"
    CLOSENESS = "closeness"
    WORDING = "wording"


def likeness_of(column: Column) -> Likeness:
    if isinstance(column.type, ListOf):
        return Likeness.OVERLAP
    if column.type == "float64":
        return Likeness.CLOSENESS
    return Likeness.WORDING if column.type == "string" and not column.values else Likeness.EXACT


def alike(column: Column, one: Any, other: Any) -> float:
    """Two values as a row has them, or as truth gives them: a list of structs may be one of their names alone."""
    one, other = plain(column, one), plain(column, other)
    if one is None or other is None:
        return float(one is other)
    return _MEASURES[likeness_of(column)](one, other)


def plain(column: Column, value: Any) -> Any:
    """What counts of a value: of a list of structs the set of their first fields (genres without confidences)."""
    if value is None:
        return None
    if isinstance(column.type, ListOf):
        return frozenset(_named(column.type, item) for item in value)
    return value


def _named(type_: ListOf, item: Any) -> Any:
    is_struct = isinstance(type_.item, StructOf) and isinstance(item, Mapping)
    return item[type_.item.fields[0][0]] if is_struct and isinstance(type_.item, StructOf) else item


def _overlap(one: frozenset[Any], other: frozenset[Any]) -> float:
    return len(one & other) / len(one | other) if one | other else 1.0


def _closeness(one: float, other: float) -> float:
    return max(0.0, 1.0 - abs(one - other))


def _wording(one: str, other: str) -> float:
    pairs, others = Counter(_pairs(one)), Counter(_pairs(other))
    total = pairs.total() + others.total()
    return 2 * (pairs & others).total() / total if total else float(one == other)


def _pairs(text: str) -> Iterable[str]:
    dense = _SPACE.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()
    return (dense[start : start + 2] for start in range(len(dense) - 1))


_MEASURES = {
    Likeness.EXACT: lambda one, other: float(one == other),
    Likeness.OVERLAP: _overlap,
    Likeness.CLOSENESS: _closeness,
    Likeness.WORDING: _wording,
}
