"""The one spelling of a valid request: defaults filled in, equal things written equally.

Belongs here: what follows from the document alone, plus notes that say nothing. Stays out: judging, and cleaning of
texts for prompts (`domain/prompts/prompt.py`), which must see what was sent.
"""

import copy
from collections.abc import Mapping
from typing import Any

from manga_enrichment.domain.requests.schemas import schema_document
from manga_enrichment.domain.text.rule import is_blank

_NOTE = "additional_context"


def normalised(schema: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """A new body that shares no list or object with the given one, which must be valid. Doing it twice changes nothing.

    Defaults are filled in, whole numbers are ints (512.0 is valid JSON for 512), UUIDs are in lower case, empty and
    blank notes are left out.
    """
    document: dict[str, Any] = _spelled(schema_document(schema), body)
    for item in document.get("items", ()):
        if is_blank(item.get(_NOTE, "")):
            item.pop(_NOTE, None)
    return document


def _spelled(schema: Mapping[str, Any], value: Any) -> Any:
    if isinstance(value, dict):
        return _spelled_object(schema["properties"], value)
    if isinstance(value, list):
        return [_spelled(schema["items"], each) for each in value]
    if schema.get("type") == "integer" and isinstance(value, float):
        return int(value)
    if schema.get("format") == "uuid":
        return value.lower()
    return value


def _spelled_object(properties: Mapping[str, Any], value: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: _spelled(properties[name], child) for name, child in value.items()}
    defaults = {name: copy.deepcopy(child["default"]) for name, child in properties.items() if "default" in child}
    return {**defaults, **given}
