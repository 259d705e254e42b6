"""Values for a JSON Schema: the least one that is valid, and whether a value fits.

Belongs here: the keywords that answer schemas use. Stays out: full validation; the caller of the model
validates with a real validator, this only keeps the stand-in from knowingly answering wrongly.
"""

import re
from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]

_MOST_REFERENCES = 10
_PLACEHOLDER = "offline stand-in"
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}
_FORMATS = {
    "date": "2000-01-01",
    "date-time": "2000-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "email": "nobody@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
_PATTERN_GUESSES = (_PLACEHOLDER, "a", "A", "0", "ab", "AB", "00", "0000", "MNG-00000000", *_FORMATS.values(), "")


def resolve(schema: Schema, root: Schema) -> Schema:
    """`schema` with a local $ref followed; {} where it leads nowhere or in a circle."""
    for _ in range(_MOST_REFERENCES):
        if "$ref" not in schema:
            return schema
        target: Any = root
        for step in str(schema["$ref"]).removeprefix("#/").split("/"):
            target = target.get(step, {}) if isinstance(target, Mapping) else {}
        schema = target
    return {}


def types_of(schema: Schema) -> list[str]:
    named = schema.get("type", "object" if "properties" in schema else [])
    return [named] if isinstance(named, str) else list(named)


def fits(value: Any, schema: Schema, root: Schema) -> bool:
    """Whether `value` is valid, by type, enum, const, bounds, lengths, pattern, items and properties."""
    schema = resolve(schema, root)
    if value not in schema.get("enum", (value,)) or value != schema.get("const", value):
        return False
    types = types_of(schema)
    if types and not any(_is_type(value, name) for name in types):
        return False
    match value:
        case str():
            return _string_fits(value, schema)
        case list():
            return _list_fits(value, schema, root)
        case dict():
            return _object_fits(value, schema, root)
    return _number_fits(value, schema)


def least(schema: Schema, root: Schema) -> Any:
    """A small value that is valid under `schema`; the same one every time."""
    schema = resolve(schema, root)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    for keyword in ("anyOf", "oneOf"):
        if schema.get(keyword):
            return least({**schema, keyword: None, **resolve(schema[keyword][0], root)}, root)
    if schema.get("allOf"):
        merged = {key: value for key, value in schema.items() if key != "allOf"}
        for part in schema["allOf"]:
            merged.update(resolve(part, root))
        return least(merged, root)
    types = types_of(schema)
    return _least_of_type(types[0] if types else "null", schema, root)


def _least_of_type(name: str, schema: Schema, root: Schema) -> Any:
    match name:
        case "string":
            return _least_string(schema)
        case "integer" | "number":
            return _least_number(schema, whole=name == "integer")
        case "boolean":
            return False
        case "array":
            return _least_list(schema, root)
        case "object":
            properties = schema.get("properties", {})
            wanted = dict.fromkeys([*schema.get("required", ()), *properties][: _object_size(schema)])
            return {key: least(properties.get(key, {}), root) for key in wanted}
    return None


def _object_size(schema: Schema) -> int:
    return max(len(schema.get("required", ())), int(schema.get("minProperties", 0)))


def _least_string(schema: Schema) -> str:
    if schema.get("format") in _FORMATS:
        return _FORMATS[schema["format"]]
    if "pattern" in schema:
        guesses = [guess for guess in _PATTERN_GUESSES if _string_fits(guess, schema)]
        return guesses[0] if guesses else ""
    text = _PLACEHOLDER.ljust(schema.get("minLength", 0), ".")
    return text[: schema["maxLength"]] if "maxLength" in schema else text


def _least_number(schema: Schema, *, whole: bool) -> float:
    """The number nearest to 0 within the bounds; exclusive bounds of fractions are kept by half a step."""
    step = schema.get("multipleOf", 1 if whole else 0)
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    value = max(0, low) if low is not None else 0
    value = min(value, high) if high is not None else value
    if step and value % step:
        value -= value % step
        value += step if low is not None and value < low else 0
    if value == schema.get("exclusiveMinimum"):
        value += step or ((high - value) / 2 if high is not None else 1)
    elif value == schema.get("exclusiveMaximum"):
        value -= step or ((value - low) / 2 if low is not None else 1)
    return int(value) if whole else value


def _least_list(schema: Schema, root: Schema) -> list[Any]:
    count = schema.get("minItems", 0)
    items = resolve(schema.get("items", {}), root)
    if not schema.get("uniqueItems"):
        return [least(items, root) for _ in range(count)]
    if "enum" in items:
        return list(items["enum"][:count])
    first = least(items, root)
    return [first] + [_different(first, number) for number in range(1, count)] if count else []


def _different(value: Any, number: int) -> Any:
    if isinstance(value, str):
        return f"{value[: max(1, len(value) - 3)]}{number}"
    if isinstance(value, dict):
        return {key: _different(part, number) if isinstance(part, str) else part for key, part in value.items()}
    return value + number if isinstance(value, (int, float)) else [number]


def _is_type(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    return isinstance(value, _TYPES.get(name, ())) or (
        name == "integer" and isinstance(value, float) and value.is_integer()
    )


def _string_fits(value: str, schema: Schema) -> bool:
    return (
        schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value))
        and ("pattern" not in schema or re.search(schema["pattern"], value) is not None)
    )  # fmt: skip


def _number_fits(value: Any, schema: Schema) -> bool:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return True
    return bool(schema.get("minimum", value) <= value <= schema.get("maximum", value))


def _list_fits(value: list[Any], schema: Schema, root: Schema) -> bool:
    if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
        return False
    items = schema.get("items")
    return items is None or all(fits(item, items, root) for item in value)


def _object_fits(value: dict[str, Any], schema: Schema, root: Schema) -> bool:
    properties = schema.get("properties", {})
    if any(key not in value for key in schema.get("required", ())):
        return False
    if schema.get("additionalProperties") is False and value.keys() - properties.keys():
        return False
    return all(fits(part, properties[key], root) for key, part in value.items() if key in properties)
