"""Whatever comes, it is walked through without recursion, and what is dangerous to look at is named."""

from typing import Any

import pytest
from hypothesis import assume, given

from manga_enrichment.domain.requests.problems import Code
from manga_enrichment.domain.requests.reading.json_shape import MAX_DEPTH, MAX_VALUES, read_shape
from manga_enrichment_tests.request_bodies import ANY_JSON, VALID_BODIES


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def strings(value: Any) -> list[str]:
    """All strings inside a value, in its order."""
    if isinstance(value, str):
        return [value]
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for child in children for text in strings(child)]


@pytest.mark.parametrize("body", VALID_BODIES.values())
def test_texts_come_with_their_places_in_the_order_of_the_document(body: dict[str, Any]) -> None:
    shape = read_shape(body)
    assert not shape.hazards
    assert not shape.problems
    assert [text for _, text in shape.texts] == strings(body)
    for location, text in shape.texts:
        value: Any = body
        for part in location:
            value = value[part]
        assert value == text


def test_depth_is_bounded_at_the_limit() -> None:
    assert read_shape(nested(MAX_DEPTH)).hazards == []
    (hazard,) = read_shape(nested(MAX_DEPTH + 1)).hazards
    assert hazard.code is Code.UNSAFE_JSON


def test_a_hundred_thousand_levels_are_no_matter() -> None:
    assert len(read_shape(nested(100_000)).hazards) == 1


def test_a_value_inside_itself_ends_at_the_limit_of_depth() -> None:
    endless: list[Any] = []
    endless.append(endless)
    assert len(read_shape(endless).hazards) == 1


def test_the_number_of_values_is_bounded_at_the_limit() -> None:
    assert read_shape([1] * (MAX_VALUES - 1)).hazards == []
    assert len(read_shape([1] * MAX_VALUES).hazards) == 1
    assert len(read_shape([[1] * 10] * MAX_VALUES).hazards) == 1


@pytest.mark.parametrize("number", [2**64, -(2**64), 10**5000], ids=["first", "negative", "unprintable"])
def test_an_integer_too_long_to_write_down_is_a_hazard(number: int) -> None:
    assert len(read_shape({"max_tokens": number}).hazards) == 1


@pytest.mark.parametrize("number", [2**64 - 1, 0, -1, True, 1e308, -0.0])
def test_ordinary_numbers_are_fine(number: float) -> None:
    shape = read_shape([number])
    assert (shape.hazards, shape.problems) == ([], [])


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_numbers_json_does_not_know_are_problems(number: float) -> None:
    (found,) = read_shape({"temperature": number}).problems
    assert (found.path, found.code) == ("temperature", Code.NOT_A_FINITE_NUMBER)


@pytest.mark.parametrize("value", [{1, 2}, (1, 2), b"bytes", object(), 1j, {1: "a"}, {None: 1}, {"a": {2.5: 1}}])
def test_what_no_json_parser_gives_is_a_hazard(value: Any) -> None:
    assert len(read_shape([value]).hazards) == 1


@given(ANY_JSON)
def test_every_string_is_found_once(body: Any) -> None:
    shape = read_shape(body)
    assume(not shape.hazards)
    assert [text for _, text in shape.texts] == strings(body)
