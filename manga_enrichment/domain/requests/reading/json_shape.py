"""Whether a value is JSON that is safe to look at, found out without recursion.

Belongs here: depth, number of values, kinds, sizes of numbers. Stays out: what a request should look like
(`domain/requests/schemas.py`).

A body nested a thousand levels deep ends a recursive check with an exception, an integer of 5,000 digits cannot be
written into a message, and a list of a million errors takes minutes: what comes after this module may rely on none of
that. The limits are far beyond any valid request (4 levels, 407 values).
"""

import math
from dataclasses import dataclass, field
from typing import Any

from manga_enrichment.domain.requests.problems import Code, Location, Problem, problem, quoted

MAX_DEPTH = 16
MAX_VALUES = 5_000
MAX_INTEGER_BITS = 64


@dataclass(slots=True)
class Shape:
    """What a value consists of.

    texts      all strings with their places, in the order of the document
    hazards    reasons to look no further; texts are incomplete then
    problems   NaN and infinities: wrong, but harmless to look at
    """

    texts: list[tuple[Location, str]] = field(default_factory=list)
    hazards: list[Problem] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def read_shape(body: Any) -> Shape:
    """Walk through any value at all, also one that no JSON parser gives. Never raises."""
    shape = Shape()
    waiting: list[tuple[Location, Any]] = [((), body)]
    counted = 1
    while waiting:
        location, value = waiting.pop()
        if isinstance(value, list | dict):
            counted += len(value)
            if counted > MAX_VALUES:
                shape.hazards.append(_hazard((), f"has more than {MAX_VALUES} values"))
                break
            waiting += _children(location, value, shape)
        else:
            _note_single(location, value, shape)
    return shape


def _children(location: Location, value: list[Any] | dict[Any, Any], shape: Shape) -> list[tuple[Location, Any]]:
    """In reverse, since the walk takes the last one first."""
    if value and len(location) >= MAX_DEPTH:
        shape.hazards.append(_hazard(location, f"is nested more than {MAX_DEPTH} levels deep"))
        return []
    if isinstance(value, list):
        return [((*location, position), child) for position, child in reversed(list(enumerate(value)))]
    if not all(isinstance(name, str) for name in value):
        names = (name for name in value if not isinstance(name, str))
        shape.hazards.append(_hazard(location, f"has names of fields that are not text: {quoted(names)}"))
        return []
    return [((*location, name), child) for name, child in reversed(value.items())]


def _note_single(location: Location, value: Any, shape: Shape) -> None:
    if isinstance(value, str):
        shape.texts.append((location, value))
    elif value is None or isinstance(value, bool):
        return
    elif isinstance(value, int):
        if value.bit_length() > MAX_INTEGER_BITS:
            shape.hazards.append(_hazard(location, f"is a whole number of more than {MAX_INTEGER_BITS} bits"))
    elif isinstance(value, float):
        if not math.isfinite(value):
            message = "must be a finite number: NaN and infinities are not JSON"
            shape.problems.append(problem(location, Code.NOT_A_FINITE_NUMBER, "finite", message))
    else:
        shape.hazards.append(_hazard(location, f"is no JSON value but a {type(value).__name__}"))


def _hazard(location: Location, message: str) -> Problem:
    return problem(location, Code.UNSAFE_JSON, "json", message)
