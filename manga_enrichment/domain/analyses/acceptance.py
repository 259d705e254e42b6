"""A quick yes for the good answers, which nearly all are.

jsonschema takes 0.4 ms for a full answer, more than sending the request does; the closures compiled here
take a tenth of that. They only ever say yes for sure: whatever they do not accept, for whatever reason, is
left to jsonschema, which also has the words for what is wrong. So only one direction has to hold: accepted
here means valid there (a property test).

Belongs here: the few keywords our answer schemas use. A schema with any other is not compiled at all.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

Check = Callable[[Any], bool]


class NotCompilableError(ValueError):
    """The schema uses something that this module does not know."""


_KEYWORDS: dict[str, frozenset[str]] = {
    "object": frozenset({"properties", "required", "additionalProperties"}),
    "array": frozenset({"items", "minItems", "maxItems", "uniqueItems"}),
    "string": frozenset({"enum", "minLength", "maxLength", "pattern"}),
    "number": frozenset({"minimum", "maximum"}),
    "integer": frozenset({"minimum", "maximum"}),
    "boolean": frozenset(),
    "null": frozenset(),
}


def compile_schema(schema: Mapping[str, Any]) -> Check:
    """A function that is true only for values the schema accepts. Raises NotCompilableError."""
    declared = schema.get("type")
    names = [declared] if isinstance(declared, str) else list(declared or ())
    known = {"type"}.union(*(_KEYWORDS.get(name, ()) for name in names))
    if not names or not _KEYWORDS.keys() >= set(names) or not known >= schema.keys():
        raise NotCompilableError(f"cannot compile {sorted(schema)} for {names}")
    checks: dict[type, Check] = {}
    for name in names:
        checks.update(_COMPILERS[name](schema))

    def accepts(value: Any) -> bool:
        check = checks.get(type(value))
        return check is not None and check(value)

    return accepts


def _object(schema: Mapping[str, Any]) -> dict[type, Check]:
    if schema.get("additionalProperties") is not False:
        raise NotCompilableError("cannot compile an open object")
    checks = {name: compile_schema(each) for name, each in schema.get("properties", {}).items()}
    required = frozenset(schema.get("required", ()))

    def accepts(value: Any) -> bool:
        if not required <= value.keys() or not value.keys() <= checks.keys():
            return False
        return all(checks[name](each) for name, each in value.items())

    return {dict: accepts}


def _array(schema: Mapping[str, Any]) -> dict[type, Check]:
    item = compile_schema(schema["items"])
    fewest, most = schema.get("minItems", 0), schema.get("maxItems", float("inf"))
    unique = schema.get("uniqueItems", False)

    def accepts(value: Any) -> bool:
        if not fewest <= len(value) <= most or not all(map(item, value)):
            return False
        return not unique or all(value.index(each) == place for place, each in enumerate(value))

    return {list: accepts}


def _string(schema: Mapping[str, Any]) -> dict[type, Check]:
    if "enum" in schema:
        if len(schema) > 2:
            raise NotCompilableError("cannot compile an enum with further limits")
        return {str: frozenset(each for each in schema["enum"] if isinstance(each, str)).__contains__}
    shortest, longest = schema.get("minLength", 0), schema.get("maxLength", float("inf"))
    matches = re.compile(schema.get("pattern", "")).search
    return {str: lambda value: shortest <= len(value) <= longest and matches(value) is not None}


def _number(schema: Mapping[str, Any]) -> dict[type, Check]:
    return {**_integer(schema), float: _integer(schema)[int]}


def _integer(schema: Mapping[str, Any]) -> dict[type, Check]:
    least, most = schema.get("minimum", float("-inf")), schema.get("maximum", float("inf"))
    return {int: lambda value: least <= value <= most}


def _any_of_type(kind: type) -> Callable[[Mapping[str, Any]], dict[type, Check]]:
    return lambda _schema: {kind: lambda _value: True}


_COMPILERS: dict[str, Callable[[Mapping[str, Any]], dict[type, Check]]] = {
    "object": _object,
    "array": _array,
    "string": _string,
    "number": _number,
    "integer": _integer,
    "boolean": _any_of_type(bool),
    "null": _any_of_type(type(None)),
}
