"""The least value of a schema is valid under it, by a real validator."""

from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.local.model_server.answers.schema_values import fits, least

SCHEMAS: list[dict[str, Any]] = [
    {"type": "string"},
    {"type": "string", "minLength": 30, "maxLength": 31},
    {"type": "string", "maxLength": 0},
    {"type": "string", "pattern": "^MNG-[A-Z0-9]{8}$"},
    {"type": "string", "pattern": "^[a-z]{2}$"},
    {"type": "string", "format": "date"},
    {"type": "number", "minimum": 0.25, "maximum": 0.5},
    {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
    {"type": "number", "minimum": -2, "exclusiveMaximum": -1},
    {"type": "integer", "exclusiveMinimum": 3},
    {"type": "integer", "minimum": 5, "multipleOf": 4},
    {"type": "integer", "maximum": -3},
    {"type": "boolean"},
    {"type": ["null", "string"]},
    {"const": "fixed"},
    {"enum": [3, "x"]},
    {"type": "array", "items": {"type": "integer"}},
    {"type": "array", "minItems": 3, "uniqueItems": True, "items": {"type": "integer"}},
    {"type": "array", "minItems": 3, "uniqueItems": True, "items": {"type": "string", "maxLength": 8}},
    {"type": "array", "minItems": 2, "uniqueItems": True, "items": {"enum": ["a", "b", "c"]}},
    {"anyOf": [{"type": "integer", "minimum": 2}, {"type": "null"}]},
    {"oneOf": [{"type": "null"}, {"type": "integer"}]},
    {"allOf": [{"type": "string"}, {"minLength": 20}]},
    {"$ref": "#/$defs/age", "$defs": {"age": {"type": "integer", "minimum": 6}}},
    {"type": "object", "required": ["a"], "properties": {"a": {"type": "object", "required": ["b"]}, "c": {}}},
    {"type": "object", "minProperties": 1, "properties": {"a": {"type": "string"}, "b": {"type": "string"}}},
]


@pytest.mark.parametrize("schema", SCHEMAS, ids=str)
def test_the_least_value_is_valid(schema: dict[str, Any]) -> None:
    jsonschema.validate(least(schema, schema), schema)


@given(st.integers(-50, 50), st.integers(0, 50), st.integers(1, 5))
def test_the_least_integer_is_valid_for_any_bounds(low: int, width: int, step: int) -> None:
    schema = {"type": "integer", "minimum": low, "maximum": low + width + step, "multipleOf": step}
    jsonschema.validate(least(schema, schema), schema)


@given(st.recursive(st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=3), st.lists, max_leaves=4))
@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "minLength": 1, "maxLength": 2},
        {"type": "integer", "minimum": 0, "maximum": 2},
        {"type": "array", "maxItems": 2, "items": {"type": ["integer", "null"]}},
        {"type": "boolean"},
        {"type": ["string", "null"], "enum": ["a", None]},
    ],
    ids=str,
)
def test_a_value_fits_exactly_when_a_validator_says_so(schema: dict[str, Any], value: Any) -> None:
    assert fits(value, schema, schema) is jsonschema.Draft7Validator(schema).is_valid(value)


def test_an_object_fits_only_with_its_required_keys_and_no_others_when_closed() -> None:
    schema = {"type": "object", "required": ["a"], "additionalProperties": False, "properties": {"a": {}, "b": {}}}
    assert fits({"a": 1, "b": 2}, schema, schema)
    assert not fits({"b": 2}, schema, schema)
    assert not fits({"a": 1, "z": 2}, schema, schema)


def test_a_reference_in_a_circle_ends() -> None:
    circle = {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}
    assert least(circle, circle) is None
