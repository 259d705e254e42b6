"""What the schema of an answer may hold, and the columns that follow from it.

Belongs here: the keywords that every model's way of answering, our validators and a table can honour. Stays out:
whether an answer fits (`validation.py`).

A schema is closed: each object names all of its properties, all are required, and null stands for what is not known.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from manga_enrichment.domain.tables.columns import Column, ColumnType, ListOf, Scalar, StructOf
from manga_enrichment.domain.text.rule import is_blank, readable

_SCALARS: Mapping[str, Scalar] = {"string": "string", "integer": "int64", "number": "float64", "boolean": "bool"}
_KEYWORDS: Mapping[str, frozenset[str]] = {
    "object": frozenset({"properties", "required", "additionalProperties"}),
    "array": frozenset({"items", "minItems", "maxItems", "uniqueItems"}),
    "string": frozenset({"enum", "minLength", "maxLength", "pattern"}),
    "integer": frozenset({"minimum", "maximum"}),
    "number": frozenset({"minimum", "maximum"}),
    "boolean": frozenset(),
}
_BOUNDS = (("minItems", "maxItems"), ("minLength", "maxLength"), ("minimum", "maximum"))
_LARGEST: Mapping[str, int] = {"minItems": 100, "maxItems": 100, "minLength": 10_000, "maxLength": 10_000}
_LARGEST_NUMBER = 10**15
_LONGEST_DESCRIPTION = 250
_LONGEST_PATTERN = 200
_MOST_VALUES = 200
_LONGEST_VALUE = 100
_MOST_PROPERTIES = 40
_PROPERTY = re.compile("[a-z](?:_?[a-z0-9])*")
_LONGEST_PROPERTY = 40
_DEEPEST = 6
_SLOW_PATTERN = re.compile(r"\(\?|\\[1-9]|\)[*+{?]")
"""Look-around, references, and groups that repeat: an answer could keep such a pattern busy for ever."""


def closed(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with what goes without saying: no other properties, all of them required. Its order is kept."""
    if not schema:
        return {}
    full = dict(schema)
    if "items" in full:
        full["items"] = closed(full["items"])
    if "properties" in full:
        full["properties"] = {name: closed(each) for name, each in full["properties"].items()}
        full.setdefault("additionalProperties", False)
        full.setdefault("required", list(full["properties"]))
    return full


def columns_of(schema: Mapping[str, Any], said: Mapping[str, Mapping[str, str]]) -> tuple[Column, ...]:
    """One for each property. said: name and doc by property, where they are not its own name and description."""
    return tuple(
        Column(
            name=said.get(key, {}).get("name", key),
            type=_column_type(each),
            doc=said.get(key, {}).get("doc") or each.get("description", ""),
            nullable="null" in _types(each),
            values=tuple(each.get("enum", each.get("items", {}).get("enum", ()))),
        )
        for key, each in schema["properties"].items()
    )


def cell(schema: Mapping[str, Any], value: Any) -> Any:
    """A value of a valid answer as its column takes it: 1 is 1.0 where the schema says number, 2.0 is 2 for integer."""
    if value is None:
        return None
    kind = _kind(schema)
    if kind == "array":
        return [cell(schema["items"], each) for each in value]
    if kind == "object":
        return {name: cell(each, value[name]) for name, each in schema["properties"].items()}
    return {"integer": int, "number": float}.get(kind, lambda same: same)(value)


def _column_type(schema: Mapping[str, Any]) -> ColumnType:
    kind = _kind(schema)
    if kind == "array":
        item = _column_type(schema["items"])
        if not isinstance(item, ListOf):
            return ListOf(item)
    if kind == "object":
        return StructOf(tuple((name, _SCALARS[_kind(each)]) for name, each in schema["properties"].items()))
    return _SCALARS[kind]


def _types(schema: Mapping[str, Any]) -> list[Any]:
    named = schema.get("type")
    return named if isinstance(named, list) else [named]


def _kind(schema: Mapping[str, Any]) -> str:
    return next(str(each) for each in _types(schema) if each != "null")


def schema_faults(schema: Any, *, has_table: bool) -> Iterator[str]:
    """has_table: each property is to be a column."""
    if not isinstance(schema, dict) or schema.get("type") != "object":
        yield 'answer.type must be "object": an answer has named properties'
        return
    yield from _faults("answer", schema, 0, has_table=has_table)


def _faults(place: str, schema: Any, depth: int, *, has_table: bool) -> Iterator[str]:
    if not isinstance(schema, dict):
        yield f"{place} must be a schema, a table with a type"
        return
    if depth > _DEEPEST:
        yield f"{place} is nested too deeply; {_DEEPEST} levels are taken"
        return
    kinds = [each for each in _types(schema) if each != "null"]
    if len(kinds) != 1 or not isinstance(kinds[0], str) or kinds[0] not in _KEYWORDS:
        yield f'{place}.type must be one of {", ".join(_KEYWORDS)}, or a list of one of them and "null"'
        return
    kind = kinds[0]
    if has_table and depth > _deepest_of(place, kind):
        yield f"{place}: a column holds single values, lists of them, and objects of them; flatten what is below"
        return
    for key in sorted(schema.keys() - _KEYWORDS[kind] - {"type", "description"}):
        taken = ", ".join(sorted(_KEYWORDS[kind])) or "none but description"
        yield f"{place}: {key!r:.40} is not honoured by all models; for a {kind} there are {taken}"
    yield from _description_faults(place, schema)
    yield from _bound_faults(place, schema)
    if kind == "object":
        yield from _object_faults(place, schema, depth, has_table=has_table)
    elif kind == "array":
        yield from _array_faults(place, schema, depth, has_table=has_table)
    elif kind == "string":
        yield from _string_faults(place, schema)
    elif kind == "integer" and not schema.keys() >= {"minimum", "maximum"}:
        yield f"{place} has no end; give it minimum and maximum"


def _deepest_of(place: str, kind: str) -> int:
    """Levels below the answer at which a kind still fits into a column: 1 its own, 2 an item or field, 3 an item's."""
    if kind == "array":
        return 1
    in_list = place.count(".items")
    return 1 + in_list if kind == "object" else 2 + in_list


def _description_faults(place: str, schema: Mapping[str, Any]) -> Iterator[str]:
    said = schema.get("description", "-")
    if not isinstance(said, str) or is_blank(said) or readable(said) != said or len(said) > _LONGEST_DESCRIPTION:
        yield f"{place}.description must be a text of at most {_LONGEST_DESCRIPTION} visible characters"


def _bound_faults(place: str, schema: Mapping[str, Any]) -> Iterator[str]:
    for low, high in _BOUNDS:
        given = [each for each in (low, high) if each in schema]
        wrong = [each for each in given if not _is_bound(schema[each], _LARGEST.get(each))]
        yield from (
            f"{place}.{each} must be a whole number from 0 to {_LARGEST[each]:,}" for each in wrong if each in _LARGEST
        )
        yield from (f"{place}.{each} must be a number within ±10^15" for each in wrong if each not in _LARGEST)
        if len(given) == 2 and not wrong and schema[low] > schema[high]:
            yield f"{place}: {low} is above {high}; no answer fits"
    if not isinstance(schema.get("uniqueItems", True), bool):
        yield f"{place}.uniqueItems must be true or false"


def _is_bound(value: Any, largest: int | None) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if largest is None:
        return -_LARGEST_NUMBER <= value <= _LARGEST_NUMBER
    return isinstance(value, int) and 0 <= value <= largest


def _object_faults(place: str, schema: Mapping[str, Any], depth: int, *, has_table: bool) -> Iterator[str]:
    properties = schema.get("properties")
    if not isinstance(properties, dict) or not 1 <= len(properties) <= _MOST_PROPERTIES:
        yield f"{place}.properties must be a table of 1 to {_MOST_PROPERTIES} properties"
        return
    if schema.get("additionalProperties", False) is not False:
        yield f"{place}.additionalProperties must be false: an answer holds what was asked and no more"
    required = schema.get("required", list(properties))
    if not isinstance(required, list) or sorted(map(str, required)) != sorted(properties):
        yield f'{place}.required must name all properties; what may be unknown has type = ["string", "null"]'
    for name, each in properties.items():
        if not _PROPERTY.fullmatch(name) or len(name) > _LONGEST_PROPERTY:
            yield f"{place}.properties: {readable(name)!r:.60} must be small letters, digits and single underscores"
        else:
            yield from _faults(f"{place}.properties.{name}", each, depth + 1, has_table=has_table)


def _array_faults(place: str, schema: Mapping[str, Any], depth: int, *, has_table: bool) -> Iterator[str]:
    if "maxItems" not in schema:
        yield f"{place}.maxItems is missing; say how many there may be, since each is paid for"
    if "items" not in schema:
        yield f"{place}.items is missing; say what each of them is"
        return
    yield from _faults(f"{place}.items", schema["items"], depth + 1, has_table=has_table)


def _string_faults(place: str, schema: Mapping[str, Any]) -> Iterator[str]:
    if not schema.keys() & {"enum", "maxLength", "pattern"}:
        yield f"{place} has no end; give it maxLength, or the values it may have as enum"
    if "enum" in schema:
        yield from _enum_faults(place, schema["enum"], schema)
    if "pattern" in schema:
        yield from _pattern_faults(place, schema["pattern"])


def _enum_faults(place: str, values: Any, schema: Mapping[str, Any]) -> Iterator[str]:
    if "null" in _types(schema):
        yield f"{place}: null cannot be among the values of an enum in TOML; add a value such as unknown"
    if not isinstance(values, list) or not 1 <= len(values) <= _MOST_VALUES:
        yield f"{place}.enum must be a list of 1 to {_MOST_VALUES} texts"
    elif not all(isinstance(each, str) for each in values) or len(set(values)) != len(values):
        yield f"{place}.enum must be texts, none of them twice"
    elif any(is_blank(each) or readable(each) != each or len(each) > _LONGEST_VALUE for each in values):
        yield f"{place}.enum must be of visible texts of at most {_LONGEST_VALUE} characters"


def _pattern_faults(place: str, pattern: Any) -> Iterator[str]:
    if not isinstance(pattern, str) or len(pattern) > _LONGEST_PATTERN:
        yield f"{place}.pattern must be a text of at most {_LONGEST_PATTERN} characters"
        return
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        yield f"{place}.pattern is no regular expression: {error}"
        return
    if not (pattern.startswith("^") and pattern.endswith("$")) or _SLOW_PATTERN.search(pattern):
        yield f"{place}.pattern must go from ^ to $, without groups that repeat, look-around or references"
