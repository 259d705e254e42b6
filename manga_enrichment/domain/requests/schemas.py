"""The request documents as packaged, and validators for them.

Belongs here: reading the *.json files once, how their patterns are read, what can be told from them alone. Stays out:
wording (`problems.py`), checks a schema cannot express.

The documents are the contract: partners read them, API Gateway enforces what it can of them. They therefore stay within
plain draft-07 with patterns in the common subset of ECMA-262 and Python, and everything beyond is a `format`.
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from jsonschema import Draft7Validator
from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend

from manga_enrichment.domain.analyses import packaged_analyses
from manga_enrichment.domain.requests.reading.formats import format_checker

REQUEST_SCHEMAS = ("batch_analysis", "manga_query", "streaming_chat")
BATCH = "batch_analysis"
QUOTE = "batch_quote"
"""A batch that is to be priced, not asked: its body is a batch's."""
ENVELOPE = "envelope"
PARTNER_POLICY = "partner_policy"
SCHEMA_VERSION = 1
ANY_POSITION = "*"

_PACKAGE = "manga_enrichment.domain.requests"


@cache
def schema_document(name: str, analyses: tuple[str, ...] = ()) -> Mapping[str, Any]:
    """One of REQUEST_SCHEMAS, ENVELOPE or PARTNER_POLICY; not to be changed. Raises KeyError for another name.

    analyses: names of what a batch may ask for, by default of the packaged ones.
    """
    if name not in (*REQUEST_SCHEMAS, ENVELOPE, PARTNER_POLICY):
        raise KeyError(name)
    document: dict[str, Any] = json.loads(files(_PACKAGE).joinpath(f"{name}.json").read_text(encoding="utf-8"))
    if name == BATCH:
        asked = document["properties"]["items"]["items"]["properties"]["analysis_type"]
        asked["enum"] = list(analyses or packaged_analyses().for_partners)
    return document


@cache
def schema_validator(name: str, analyses: tuple[str, ...] = ()) -> Validator:
    """The validator of a document: draft-07, our formats, patterns as ECMA-262 means them. analyses: as above."""
    strict: type[Validator] = extend(Draft7Validator, {"pattern": _pattern})  # type: ignore[no-untyped-call]
    return strict(schema_document(name, analyses), format_checker=format_checker())


@cache
def text_fields(name: str) -> frozenset[tuple[str, ...]]:
    """Places of free text, `*` for any position in a list: every string that no enum, pattern or format bounds."""
    return frozenset(_text_fields(schema_document(name), ()))


def default_of(name: str, field: str) -> Any:
    """The default of a field at the top of a document."""
    return schema_document(name)["properties"][field]["default"]


def _text_fields(schema: Mapping[str, Any], place: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if schema.get("type") == "string" and not schema.keys() & {"enum", "pattern", "format"}:
        yield place
    for name, child in schema.get("properties", {}).items():
        yield from _text_fields(child, (*place, name))
    if "items" in schema:
        yield from _text_fields(schema["items"], (*place, ANY_POSITION))


def _pattern(_validator: Any, pattern: str, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and _compiled(pattern).search(instance) is None:
        yield ValidationError("pattern")


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """In ECMA-262 `$` is the very end; in Python it also matches before a trailing newline."""
    return re.compile(re.sub(r"\$\Z", r"\\Z", pattern), re.ASCII)
