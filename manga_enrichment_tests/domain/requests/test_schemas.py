"""The documents say what the requirements say, are closed, and mean the same to every validator."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft7Validator

from manga_enrichment.domain.requests.cost_guard import TOKEN_GUARDS
from manga_enrichment.domain.requests.queues import BY_PRIORITY
from manga_enrichment.domain.requests.reading.formats import format_checker
from manga_enrichment.domain.requests.schemas import (
    ENVELOPE,
    QUOTE,
    REQUEST_SCHEMAS,
    SCHEMA_VERSION,
    default_of,
    schema_document,
    schema_validator,
    text_fields,
)
from manga_enrichment_tests.analyses import FOR_PARTNERS

DOCUMENTS = [*REQUEST_SCHEMAS, ENVELOPE]
PORTABLE = {
    "$schema",
    "title",
    "description",
    "type",
    "required",
    "properties",
    "additionalProperties",
    "items",
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "pattern",
    "format",
    "enum",
    "default",
}


def nodes(schema: Any) -> Iterator[dict[str, Any]]:
    """A schema and all schemas inside it."""
    yield schema
    for child in schema.get("properties", {}).values():
        yield from nodes(child)
    if "items" in schema:
        yield from nodes(schema["items"])


PATTERNS = [
    (name, node["pattern"])
    for name in DOCUMENTS
    for node in nodes(schema_document(name))
    if node.get("pattern", "").endswith("$")
]
DEFAULTS = [node for name in REQUEST_SCHEMAS for node in nodes(schema_document(name)) if "default" in node]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_is_valid_draft_07(name: str) -> None:
    document = schema_document(name)
    assert document["$schema"] == "http://json-schema.org/draft-07/schema#"
    Draft7Validator.check_schema(document)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_object_is_closed_and_every_list_and_text_is_bounded(name: str) -> None:
    for node in nodes(schema_document(name)):
        if node["type"] == "object" and "properties" in node:
            assert node["additionalProperties"] is False
        if node["type"] == "array":
            assert "maxItems" in node
        if node["type"] == "string":
            assert node.keys() & {"maxLength", "enum"}


def test_the_only_open_object_is_the_envelopes_body_which_has_a_document_of_its_own() -> None:
    open_objects = [
        (name, node)
        for name in DOCUMENTS
        for node in nodes(schema_document(name))
        if node["type"] == "object" and "properties" not in node
    ]
    assert open_objects == [(ENVELOPE, {"type": "object"})]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_keep_to_keywords_and_patterns_that_mean_the_same_everywhere(name: str) -> None:
    for node in nodes(schema_document(name)):
        assert node.keys() <= PORTABLE
        pattern = node.get("pattern", "")
        assert not pattern or pattern.startswith("^")
        assert re.search(r"\\|\(\?|\$.", pattern) is None, "only the common subset of ECMA-262 and Python"
        if "format" in node:
            assert node["format"] in format_checker().checkers


@pytest.mark.parametrize(("name", "pattern"), PATTERNS)
def test_a_dollar_is_the_very_end_of_a_text(name: str, pattern: str) -> None:
    validator = schema_validator(name).evolve(schema={"type": "string", "pattern": pattern})
    assert not validator.is_valid("\n")
    assert not any(validator.is_valid(f"{text}\n") for text in ("a", "MNG-ABCD1234", "acme"))


@pytest.mark.parametrize("node", DEFAULTS)
def test_a_default_satisfies_its_own_schema(node: dict[str, Any]) -> None:
    Draft7Validator(node).validate(node["default"])


def number_range(node: dict[str, Any]) -> tuple[float, float, float]:
    return node["minimum"], node["maximum"], node["default"]


def test_the_limits_are_those_of_the_requirements() -> None:
    batch, query, chat = (schema_document(name)["properties"] for name in REQUEST_SCHEMAS)
    assert (batch["items"]["minItems"], batch["items"]["maxItems"]) == (1, 100)
    assert batch["items"]["items"]["properties"]["additional_context"]["maxLength"] == 2000
    assert (query["query"]["minLength"], query["query"]["maxLength"]) == (1, 8000)
    assert number_range(query["max_tokens"]) == (1, 4096, 512)
    assert number_range(query["temperature"]) == (0, 1, 0.5)
    assert query["context"]["properties"]["previous_manga"]["maxItems"] == 10
    assert (chat["messages"]["minItems"], chat["messages"]["maxItems"]) == (1, 50)
    content = chat["messages"]["items"]["properties"]["content"]
    assert (content["minLength"], content["maxLength"]) == (1, 16000)
    assert number_range(chat["max_tokens"]) == (1, 4096, 2048)
    assert chat["stream"]["default"] is True
    defaults = [default_of(name, "model") for name in ("manga_query", "streaming_chat")]
    assert defaults == ["haiku", "sonnet"]


def test_documents_and_code_know_the_same_analyses_priorities_models_and_schemas() -> None:
    batch = schema_document("batch_analysis")["properties"]
    assert batch["items"]["items"]["properties"]["analysis_type"]["enum"] == list(FOR_PARTNERS)
    assert batch["priority"]["enum"] == list(BY_PRIORITY)
    for name in ("manga_query", "streaming_chat"):
        assert set(schema_document(name)["properties"]["model"]["enum"]) == set(TOKEN_GUARDS)
    fields = schema_document(ENVELOPE)["properties"]
    assert fields["schema"]["enum"] == [*REQUEST_SCHEMAS, QUOTE]
    assert fields["schema_version"]["enum"] == [SCHEMA_VERSION]


def test_every_free_text_is_known_as_one() -> None:
    names = {("reference",), ("items", "*", "reference")}
    assert text_fields("batch_analysis") == {("items", "*", "additional_context"), *names}
    assert text_fields("manga_query") == {("reference",), ("query",), ("context", "previous_manga", "*")}
    assert text_fields("streaming_chat") == {("reference",), ("messages", "*", "content")}


def test_an_unknown_document_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        schema_document("../status")
