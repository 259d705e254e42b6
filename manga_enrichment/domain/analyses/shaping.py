"""What a model returned, brought into the shape of a schema where it holds what was asked and only the wrapping is off.

Belongs here: the kinds of wrapping that models are known for: lists and objects as a string of their JSON, a fence or
words around it, fields that slid one level up or down, a name around the whole, numbers in quotes, fields that nobody
asked for. Stays out: whether the outcome counts (`validation.py`). Nothing is made up: every value is the model's own.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_FENCE = re.compile(r"```[a-zA-Z]*\s*\n?(.*?)```", re.DOTALL)
_MOST_STARTS = 50  # places in a text at which an object may begin
_LITERALS = {"true": True, "false": False, "null": None}
_DECODER = json.JSONDecoder()


def shaped(schema: Mapping[str, Any], value: Any) -> Any:
    """The value as near to the schema as its wrapping allows; as it is where nothing fits."""
    types = _types(schema)
    if isinstance(value, str) and "string" not in types:
        value = next(_read(value, types), value)
    if "null" in types and isinstance(value, str) and value.strip().lower() == "null":
        return None
    if "object" in types:
        return _object(schema, value)
    if "array" in types:
        return _array(schema, value)
    return value


def _types(schema: Mapping[str, Any]) -> frozenset[str]:
    types = schema.get("type", ())
    return frozenset([types] if isinstance(types, str) else types)


def _read(text: str, types: frozenset[str]) -> Iterator[Any]:
    """What a text holds of these types, likeliest first."""
    for part in (text, *_FENCE.findall(text)):
        found = _parsed(part.strip())
        if isinstance(found, str):  # quoted twice
            found = _parsed(found.strip())
        if _is_of(found, types):
            yield found
    opening = {"object": "{", "array": "["}
    for sign in (opening[each] for each in types if each in opening):
        starts = [match.start() for match in re.finditer(re.escape(sign), text)][:_MOST_STARTS]
        yield from (found for start in starts if _is_of(found := _begun_at(text, start), types))


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return _LITERALS.get(text.lower())


def _begun_at(text: str, start: int) -> Any:
    try:
        return _DECODER.raw_decode(text, start)[0]
    except (ValueError, RecursionError):
        return None


def _is_of(value: Any, types: frozenset[str]) -> bool:
    if isinstance(value, bool):
        return "boolean" in types
    kinds: dict[str, tuple[type, ...]] = {
        "object": (dict,),
        "array": (list,),
        "number": (int, float),
        "integer": (int,),
    }
    return any(isinstance(value, kinds[each]) for each in types if each in kinds)


def _object(schema: Mapping[str, Any], value: Any) -> Any:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, Mapping):
        return value
    properties: Mapping[str, Any] = schema.get("properties", {})
    fields = _risen(properties, _gathered(properties, _unwrapped(properties, value)))
    is_closed = schema.get("additionalProperties") is False
    return {
        name: shaped(properties[name], each) if name in properties else each
        for name, each in fields.items()
        if name in properties or not is_closed
    }


def _unwrapped(properties: Mapping[str, Any], value: Mapping[str, Any]) -> dict[str, Any]:
    """Without names around the whole: {"input": {…}}."""
    for each in () if properties.keys() & value.keys() else value.values():
        inner = next(_read(each, frozenset({"object"})), None) if isinstance(each, str) else each
        if isinstance(inner, Mapping) and properties.keys() & inner.keys():
            return dict(inner)
    return dict(value)


def _gathered(properties: Mapping[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    """With objects put together again whose fields stand one level too high."""
    for name, schema in properties.items():
        needed = schema.get("required", ()) if name not in fields and "object" in _types(schema) else ()
        if needed and all(each in fields and each not in properties for each in needed):
            fields[name] = {each: fields[each] for each in schema["properties"] if each in fields}
    return fields


def _risen(properties: Mapping[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    """With fields that stand one level too low, in an object that has none of that name."""
    for name in list(fields):
        inner, schema = fields[name], properties.get(name, {})
        if isinstance(inner, Mapping) and "object" in _types(schema):
            low = [each for each in inner if each in properties and each not in fields]
            fields |= {each: inner[each] for each in low if each not in schema.get("properties", {})}
    return fields


def _array(schema: Mapping[str, Any], value: Any) -> Any:
    items: Mapping[str, Any] = schema.get("items", {})
    if isinstance(value, Mapping):
        inner = [each for each in value.values() if isinstance(each, list)]
        is_item = bool(items.get("properties", {}).keys() & value.keys())
        value = inner[0] if len(value) == 1 and inner else [value] if is_item else value
    return [shaped(items, each) for each in value] if isinstance(value, list) else value
