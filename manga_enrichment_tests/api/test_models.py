"""The models that API Gateway enforces accept and refuse what the request documents do, formats aside."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import assume, given, settings
from jsonschema import Draft4Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from manga_enrichment.api.models import (
    DRAFT_4,
    UnsupportedKeywordError,
    draft_4_model,
    model_name,
    request_models,
)
from manga_enrichment.domain.requests.schemas import REQUEST_SCHEMAS, schema_validator
from manga_enrichment_tests.domain.requests.test_boundaries import AT_THE_LIMIT
from manga_enrichment_tests.request_bodies import VALID_BODIES, body_with, nearly_valid, places, valid_body

MODELS = {schema: request_models()[model_name(schema)] for schema in REQUEST_SCHEMAS}


def ecma_pattern(_validator: Any, pattern: str, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    """In API Gateway `$` is the very end of a text; in Python a newline may follow."""
    if isinstance(instance, str) and not re.search(re.sub(r"\$\Z", r"\\Z", pattern), instance):
        yield ValidationError("pattern")


Enforcing = extend(Draft4Validator, {"pattern": ecma_pattern})


def model_accepts(schema: str, body: Any) -> bool:
    return bool(Enforcing(MODELS[schema]).is_valid(body))


def document_accepts(schema: str, body: Any) -> bool:
    return bool(schema_validator(schema).evolve(format_checker=None).is_valid(body))


def has_whole_float(value: Any) -> bool:
    inner = [value, *(_at(value, place) for place in places(value))]
    return any(isinstance(each, float) and each.is_integer() for each in inner)


def _at(value: Any, place: tuple[str | int, ...]) -> Any:
    for part in place:
        value = value[part]
    return value


@pytest.mark.parametrize("schema", REQUEST_SCHEMAS)
def test_a_model_is_draft_4_of_a_size_and_name_that_api_gateway_takes(schema: str) -> None:
    model = MODELS[schema]
    Draft4Validator.check_schema(model)
    assert model["$schema"] == DRAFT_4
    assert len(json.dumps(model)) < 400_000  # bytes that API Gateway takes
    assert re.fullmatch("[A-Za-z0-9]+", model_name(schema))
    assert "format" not in json.dumps(model)


@pytest.mark.parametrize("schema", REQUEST_SCHEMAS)
def test_valid_requests_pass_both_and_each_missing_or_unknown_field_fails_both(schema: str) -> None:
    assert model_accepts(schema, VALID_BODIES[schema])
    everywhere = places(VALID_BODIES[schema])
    assert len(everywhere) >= len(VALID_BODIES[schema]) > 0
    for place in everywhere:
        body = valid_body(schema)
        inner = _at(body, place[:-1])
        inner.pop(place[-1])
        assert model_accepts(schema, body) is document_accepts(schema, body), place
        if isinstance(inner, dict):
            inner["unknown"] = 1
            assert not model_accepts(schema, body)


@pytest.mark.parametrize(("schema", "place", "last", "beyond"), AT_THE_LIMIT, ids=lambda value: repr(value)[:30])
def test_the_limits_are_the_same(schema: str, place: tuple[str | int, ...], last: Any, beyond: Any) -> None:
    assert model_accepts(schema, body_with(schema, place, last))
    body = body_with(schema, place, beyond)
    assert model_accepts(schema, body) is document_accepts(schema, body)


@given(nearly_valid())
@settings(max_examples=300)
def test_both_judge_requests_that_are_nearly_valid_alike(drawn: tuple[str, Any]) -> None:
    schema, body = drawn
    assume(not has_whole_float(body))
    assert model_accepts(schema, body) is document_accepts(schema, body)


def test_the_one_difference_is_a_whole_number_written_with_a_fraction() -> None:
    """Draft 4 knows integers by their spelling."""
    body = body_with("manga_query", ("max_tokens",), 512.0)
    assert document_accepts("manga_query", body)
    assert not model_accepts("manga_query", body)


def test_the_words_of_draft_7_become_those_of_draft_4() -> None:
    found = draft_4_model({"$schema": "x", "type": "number", "exclusiveMinimum": 0, "format": "x", "$comment": "x"})
    assert found == {"$schema": DRAFT_4, "type": "number", "minimum": 0, "exclusiveMinimum": True}


@pytest.mark.parametrize(
    "keyword", ["if", "contains", "propertyNames", "oneOf", "$ref", "const", "additionalProperties"]
)
def test_a_word_whose_meaning_would_be_lost_is_an_error(keyword: str) -> None:
    with pytest.raises(UnsupportedKeywordError, match=re.escape(keyword)):
        draft_4_model({"properties": {"a": {keyword: {}}}})
