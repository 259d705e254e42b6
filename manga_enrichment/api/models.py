"""Our JSON Schemas (draft-07) as the draft-4 models that API Gateway enforces.

Belongs here: the conversion. Stays out: the documents (`domain/requests/*.json`), which stay the only ones written.

`format` is left out: ours are unknown to API Gateway, and its `email` is not ours. What a format says is checked by the
worker. So a model accepts what its document accepts without formats, and nothing else; a test holds the two together.
"""

from collections.abc import Collection, Mapping
from typing import Any

from manga_enrichment.domain.requests.schemas import REQUEST_SCHEMAS, schema_document

DRAFT_4 = "http://json-schema.org/draft-04/schema#"

_SAME = frozenset(
    {"title", "description", "type", "enum", "required", "default"}
    | {"minLength", "maxLength", "pattern", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties"}
    | {"minimum", "maximum", "multipleOf"}
)
_BOUNDS = {"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"}


ANY_OBJECT = "AnyObject"


class UnsupportedKeywordError(ValueError):
    """Draft 4, or API Gateway, has no word for this."""


def model_name(schema: str) -> str:
    """Name of the model of one of REQUEST_SCHEMAS; API Gateway takes letters and digits only."""
    return str(schema_document(schema)["title"])


def request_models(analyses: Collection[str] = ()) -> dict[str, dict[str, Any]]:
    """The model of each request document by the model's name, and that of any object.

    analyses: names of what a batch may ask for, by default the packaged ones.
    """
    models = {model_name(each): draft_4_model(schema_document(each, tuple(analyses))) for each in REQUEST_SCHEMAS}
    return {**models, ANY_OBJECT: draft_4_model({"type": "object"})}


def draft_4_model(document: Mapping[str, Any]) -> dict[str, Any]:
    """Raises UnsupportedKeywordError for a keyword whose meaning would be lost."""
    return {"$schema": DRAFT_4, **_converted({name: value for name, value in document.items() if name != "$schema"})}


def _converted(schema: Mapping[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for keyword, value in schema.items():
        result |= _keyword(keyword, value)
    return result


def _keyword(keyword: str, value: Any) -> dict[str, Any]:
    if keyword in _SAME or (keyword == "additionalProperties" and isinstance(value, bool)):
        return {keyword: value}
    if keyword in ("format", "examples", "$comment"):
        return {}
    if keyword in _BOUNDS:
        return {_BOUNDS[keyword]: value, keyword: True}
    if keyword == "properties":
        return {keyword: {name: _converted(child) for name, child in value.items()}}
    if keyword == "items" and isinstance(value, Mapping):
        return {keyword: _converted(value)}
    raise UnsupportedKeywordError(f"{keyword} has no counterpart in API Gateway's models: write the schema without it")
