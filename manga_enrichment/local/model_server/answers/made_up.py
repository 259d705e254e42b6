"""Values for properties that the stand-in knows nothing about: valid, repeatable, other ones for another title.

Belongs here: drawing a value from a title's own text. Stays out: the least valid value, which is the last resort
(`schema_values.py`). Every text that has room for it begins by saying whose it is: nobody shall take it for a model's.
"""

import hashlib
from typing import Any

from manga_enrichment.local.model_server.answers.schema_values import Schema, fits, least, resolve, types_of
from manga_enrichment.local.model_server.answers.title_prompt import TitlePrompt

SAYS_SO = "stand-in: "
_MOST_ITEMS = 3
_MOST_CHARACTERS = 80
_FRACTION = 100  # two decimals


def made_up(title: TitlePrompt, place: str, raw: Schema, root: Schema) -> Any:
    """A value for the property at `place`, drawn from what the prompt says about the title."""
    schema = resolve(raw, root)
    value = _drawn(title, place, schema, root)
    return value if fits(value, schema, root) else least(schema, root)


def _drawn(title: TitlePrompt, place: str, schema: Schema, root: Schema) -> Any:
    types = types_of(schema)
    if "null" in types and _number(title, f"{place}?", 4) == 0:
        return None
    kind = next((each for each in types if each != "null"), "")
    if schema.get("enum"):
        return schema["enum"][_number(title, place, len(schema["enum"]))]
    if kind == "object":
        parts = schema.get("properties", {})
        return {name: made_up(title, f"{place}.{name}", part, root) for name, part in parts.items()}
    if kind == "array":
        return _items(title, place, schema, root)
    return _single(title, place, schema, kind)


def _single(title: TitlePrompt, place: str, schema: Schema, kind: str) -> Any:
    """None, which does not fit, for what has rules that this knows nothing of."""
    if kind == "string" and not schema.keys() & {"pattern", "format", "const"}:
        return _text(title, place, schema)
    if kind in ("integer", "number") and not schema.keys() & {"multipleOf", "exclusiveMinimum", "exclusiveMaximum"}:
        return _amount(title, place, schema, whole=kind == "integer")
    return _number(title, place, 2) == 1 if kind == "boolean" else None


def _number(title: TitlePrompt, place: str, below: int) -> int:
    """From 0, the same for the same title and place."""
    said = "\n".join((place, *title.fields.values(), title.context))
    return int.from_bytes(hashlib.sha256(said.encode()).digest()[:8]) % below


def _amount(title: TitlePrompt, place: str, schema: Schema, *, whole: bool) -> float:
    low = schema.get("minimum", 0)
    high = schema.get("maximum", low + (100 if whole else 1))
    if whole:
        return int(low) + _number(title, place, max(1, int(high) - int(low) + 1))
    return float(round(low + (high - low) * _number(title, place, _FRACTION + 1) / _FRACTION, 2))


def _text(title: TitlePrompt, place: str, schema: Schema) -> str:
    words = " ".join(f"{title.titles} {title.synopsis}".split())
    most = min(schema.get("maxLength", _MOST_CHARACTERS), _MOST_CHARACTERS)
    says = SAYS_SO if most > 2 * len(SAYS_SO) else ""
    start = _number(title, place, max(1, len(words)))
    start = words.find(" ", start) + 1
    return f"{says}{words[start:]}"[:most].strip()


def _items(title: TitlePrompt, place: str, schema: Schema, root: Schema) -> list[Any]:
    fewest = schema.get("minItems", 0)
    most = min(schema.get("maxItems", _MOST_ITEMS), max(fewest, _MOST_ITEMS))
    count = fewest + _number(title, f"{place}#", max(1, most - fewest + 1))
    found: list[Any] = []
    said: set[str] = set()
    for number in range(count):
        value = made_up(title, f"{place}.{number}", schema.get("items", {}), root)
        texts = {each for each in (value.values() if isinstance(value, dict) else [value]) if isinstance(each, str)}
        if value not in found and not texts & said:
            found.append(value)
            said |= texts
    return found
