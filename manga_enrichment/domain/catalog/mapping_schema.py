"""JSON Schema of a mapping's file, for editors.

Belongs here: the forms of `field_sources.py` once more, as editors understand them; a test holds both together. Stays
out: judging a mapping, which `mapping.py` does with better words.
"""

from typing import Any

from manga_enrichment.domain.catalog.columns import CATALOG_COLUMNS
from manga_enrichment.domain.catalog.mapping import FIELD_NAMES, ID_FROM, REQUIRED_FIELDS

_PATH = {"type": "string", "minLength": 1, "description": "a column, or a path such as titles[type=Japanese].title"}
_ENTRY = {"$ref": "#/$defs/entry"}
_ENTRIES = {"type": "array", "items": _ENTRY, "minItems": 1}


def mapping_schema() -> dict[str, Any]:
    """Draft 2020-12."""
    meanings = {column.name: column.doc for column in CATALOG_COLUMNS}
    fields: dict[str, Any] = {
        name: {"description": meanings[name], "anyOf": [_ENTRY, {"type": "null"}]} for name in FIELD_NAMES
    }
    for name in REQUIRED_FIELDS:
        fields[name] = {"description": meanings[name], **_ENTRY}
    fields["manga_id"] = {"description": meanings["manga_id"], "anyOf": [_PATH, _form(**{ID_FROM: _id_from()})]}
    about = {
        "$schema": {"type": "string"},
        "$about": {"type": "string", "description": "what the mapping is for"},
        "$rows": {"type": "string", "description": "path to the list of rows in JSON, or the element of a row in XML"},
        "$only": {"type": "boolean", "description": "fields that are not named stay empty"},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Where each field of the catalog comes from",
        "type": "object",
        "properties": {**about, **fields},
        "additionalProperties": False,
        "$defs": {"entry": {"anyOf": [_PATH, *_forms()]}},
    }


def _forms() -> list[dict[str, Any]]:
    from_ = _form(
        ("split", {"type": "string", "description": "what parts several values in one text"}),
        ("map", {"type": "object", "description": "a value of theirs: ours"}),
        ("null", {"type": "array", "items": {"type": "string"}, "description": "words that say nothing"}),
        ("role", {"type": "string", "description": "what the people that are found did"}),
        **{"from": _ENTRY},
    )
    return [
        _form(const={"description": "the same for every row"}),
        _form(first={**_ENTRIES, "description": "the first that has a value"}),
        _form(all={**_ENTRIES, "description": "one list of all that is found"}),
        _form(("with", {"type": "string"}), join={**_ENTRIES, "description": "one text of several"}),
        from_,
    ]


def _form(*extras: tuple[str, dict[str, Any]], **main: dict[str, Any]) -> dict[str, Any]:
    (name,) = main
    return {
        "type": "object",
        "properties": {**main, **dict(extras)},
        "required": [name],
        "additionalProperties": False,
    }


def _id_from() -> dict[str, Any]:
    return {
        "type": "object",
        "description": "derives an id from the name of a source and its own id",
        "properties": {"source": {"type": "string", "minLength": 1}, "id": _ENTRY},
        "required": ["source", "id"],
        "additionalProperties": False,
    }
