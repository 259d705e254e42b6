"""Problems are told in bounded, printable words that never repeat a value."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.domain.requests.problems import (
    MAX_MESSAGE_CHARACTERS,
    MAX_PATH_CHARACTERS,
    Code,
    in_order,
    problem,
    quoted,
    schema_problems,
)
from manga_enrichment.domain.requests.schemas import schema_validator

ANY_TEXT = st.text(st.characters(exclude_categories=()))
CODE = Code.SCHEMA_VIOLATION


def told(schema: str, body: Any) -> list[tuple[str, str, str]]:
    found = in_order(schema_problems(schema_validator(schema).iter_errors(body)))
    return [(each.path, each.validator, each.message) for each in found]


@pytest.mark.parametrize(
    ("body", "path", "validator", "message"),
    [
        ([], "$", "type", "must be an object"),
        ({}, "$", "required", "misses 'query'"),
        ({"query": 5}, "query", "type", "must be text"),
        ({"query": ""}, "query", "minLength", "must have at least 1 character(s)"),
        ({"query": "a" * 9000}, "query", "maxLength", "must have at most 8000 characters, has 9000"),
        ({"query": "a", "model": "opus"}, "model", "enum", "must be one of sonnet, haiku"),
        ({"query": "a", "max_tokens": True}, "max_tokens", "type", "must be a whole number"),
        ({"query": "a", "max_tokens": 1.5}, "max_tokens", "type", "must be a whole number"),
        ({"query": "a", "max_tokens": 0}, "max_tokens", "minimum", "must be at least 1"),
        ({"query": "a", "temperature": 1.01}, "temperature", "maximum", "must be at most 1"),
        ({"query": "a", "context": {"x": 1}}, "context", "additionalProperties", "has unknown fields: 'x'"),
        (
            {"query": "a", "context": {"previous_manga": ["x"] * 11}},
            "context.previous_manga",
            "maxItems",
            "must have at most 10 items, has 11",
        ),
    ],
)
def test_each_rule_has_its_words(body: Any, path: str, validator: str, message: str) -> None:
    assert told("manga_query", body) == [(path, validator, message)]


def test_several_missing_fields_are_one_problem() -> None:
    assert told("batch_analysis", {"items": [{}]}) == [
        ("items.0", "required", "misses 'analysis_type', 'manga_id'"),
    ]


def test_where_a_format_explains_a_text_the_pattern_is_silent() -> None:
    body = {"items": [{"manga_id": "MNG-1", "analysis_type": "reading_level"}]}
    assert told("batch_analysis", body) == [
        ("items.0.manga_id", "format", "must be MNG- and eight capital letters or digits"),
    ]


def test_a_pattern_without_a_format_speaks() -> None:
    body = {"query": "a", "context": {"user_id": "a b"}}
    assert [validator for _, validator, _ in told("manga_query", body)] == ["pattern"]


def test_problems_come_by_place_with_positions_as_numbers_and_each_once() -> None:
    second, tenth = problem(("items", 2), CODE, "type", "b"), problem(("items", 10), CODE, "type", "a")
    whole, twice = problem((), CODE, "type", "z"), problem(("items", 2), CODE, "type", "b")
    assert in_order([tenth, twice, second, whole]) == [whole, second, tenth]


@given(st.permutations([problem(("a", n % 3), CODE, f"v{n % 2}", str(n)) for n in range(8)]))
def test_the_order_does_not_depend_on_who_came_first(shuffled: list[Any]) -> None:
    assert in_order(shuffled) == in_order(reversed(shuffled))


def test_many_names_are_cut_to_three_and_a_count() -> None:
    assert quoted(["d", "c", "b", "a", "e"]) == "'a', 'b', 'c' and 2 more"


@given(st.lists(ANY_TEXT | st.integers() | st.none() | st.floats(), max_size=6))
def test_names_are_printable_ascii_of_bounded_length(names: list[object]) -> None:
    text = quoted(names)
    assert text.isascii()
    assert text.isprintable()
    assert len(text) <= 200


@given(st.lists(ANY_TEXT | st.integers(0, 99), max_size=16), ANY_TEXT)
def test_paths_and_messages_are_bounded(location: list[str | int], message: str) -> None:
    found = problem(tuple(location), CODE, "type", message * 50)
    assert len(found.message) <= MAX_MESSAGE_CHARACTERS
    assert 1 <= len(found.path) <= MAX_PATH_CHARACTERS
    assert found.path.isascii()
    assert found.path.isprintable()


def test_a_problem_as_a_document_has_what_the_requirements_name() -> None:
    document = problem(("items", 3), CODE, "type", "must be text").to_document()
    assert document == {
        "path": "items.3",
        "code": "SCHEMA_VIOLATION",
        "validator": "type",
        "message": "must be text",
    }


def test_warnings_are_known_by_their_codes() -> None:
    assert Code.MIXED_SCRIPT_WARNING.is_warning
    assert not Code.TOKEN_LIMIT_EXCEEDED.is_warning
