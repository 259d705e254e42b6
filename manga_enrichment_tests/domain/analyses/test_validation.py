"""Answers are held against their schema, and what is wrong is said briefly."""

import math
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from manga_enrichment.domain.analyses.base import TitleInputs
from manga_enrichment.domain.analyses.validation import (
    MAX_PROBLEM_CHARACTERS,
    MAX_PROBLEMS,
    answer_problems,
    readable_answer,
)
from manga_enrichment.domain.prompts.conversations import CONVERSATION
from manga_enrichment.domain.text.rule import is_blank
from manga_enrichment_tests.analyses import ANALYSES, get_analysis

LEVEL = get_analysis("reading_level")
INPUTS = TitleInputs("MNG-TEAHOUSE", {"synopsis": "A retired knight runs a tea house."})
GOOD = {"level": "teen", "min_age": 12, "basis": "synopsis", "confidence": 0.6}

JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 30),
    st.floats(-2, 2),
    st.text(max_size=5),
    st.just("x" * 700),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.none(), max_size=2),
)


def values_for(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that mostly fit a schema, with junk in odd places."""
    return st.integers(0, 24).flatmap(lambda dice: JUNK if dice == 0 else _fitting(schema))


def _fitting(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    kind = schema["type"] if isinstance(schema["type"], str) else schema["type"][0]
    if kind == "object":
        whole = st.fixed_dictionaries({name: values_for(each) for name, each in schema["properties"].items()})
        return st.one_of(whole, whole, whole, whole.map(lambda value: {**value, "extra": 1}))
    if kind == "array":
        return st.lists(values_for(schema["items"]), max_size=schema.get("maxItems", 3) + 1)
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "pattern" in schema:
        return st.from_regex(schema["pattern"])
    simple: dict[str, st.SearchStrategy[Any]] = {
        "string": st.text(max_size=50),
        "number": st.one_of(st.floats(-0.1, 1.1), st.integers(0, 1)),
        "integer": st.one_of(st.integers(-1, 19), st.just(12.0)),
        "boolean": st.booleans(),
    }
    return simple[kind]


@given(st.data(), st.sampled_from(sorted(ANALYSES)))
def test_an_answer_counts_only_when_the_whole_schema_holds(data: st.DataObject, name: str) -> None:
    analysis = get_analysis(name)
    answer = data.draw(values_for(dict(analysis.output_schema)))
    assume(not Draft7Validator(analysis.output_schema).is_valid(answer))
    assert answer_problems(analysis, answer, INPUTS)


@given(
    st.sampled_from(sorted(GOOD)).flatmap(
        lambda field: values_for(LEVEL.output_schema["properties"][field]).map(lambda value: {**GOOD, field: value})
    )
)
def test_an_answer_that_fits_schema_and_rules_counts(answer: Any) -> None:
    assume(Draft7Validator(LEVEL.output_schema).is_valid(answer) and not LEVEL.check(answer, INPUTS))
    assert answer_problems(LEVEL, answer, INPUTS) == []


def test_a_whole_number_written_as_a_fraction_is_valid() -> None:
    assert answer_problems(LEVEL, {**GOOD, "min_age": 12.0}, INPUTS) == []


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({**GOOD, "min_age": 40}, "min_age: 40 is greater than the maximum of 18"),
        ({**GOOD, "mood": "calm"}, "answer: Additional properties are not allowed ('mood' was unexpected)"),
        ({"level": "teen"}, "answer: 'min_age' is a required property"),
        ([], "answer: [] is not of type 'object'"),
    ],
)
def test_a_problem_names_the_place_and_what_is_wrong_there(answer: Any, expected: str) -> None:
    assert answer_problems(LEVEL, answer, INPUTS)[0] == expected


def test_a_place_inside_a_list_is_named_by_its_index() -> None:
    genres = [{"genre": "war", "confidence": 0.9}, {"genre": "tea", "confidence": 0.9}]
    answer = {"primary_genre": "war", "genres": genres, "themes": []}
    problems = answer_problems(get_analysis("genre_classification"), answer, INPUTS)
    assert problems[0].startswith("genres.1.genre: 'tea' is not one of")


def test_problems_are_few_and_short_however_bad_the_answer() -> None:
    entry = {"manga_id": "x" * 60_000, "score": "high", "reason": "y" * 60_000}
    problems = answer_problems(get_analysis("similar_series"), {"similar": [entry] * 50}, INPUTS)
    assert len(problems) == MAX_PROBLEMS
    assert all(len(problem) <= MAX_PROBLEM_CHARACTERS for problem in problems)


def test_rules_beyond_the_schema_are_asked_only_when_the_schema_holds() -> None:
    assert answer_problems(LEVEL, {**GOOD, "level": "kids"}, INPUTS) == ["min_age: kids goes with 0 to 11 years"]
    problems = answer_problems(LEVEL, {**GOOD, "level": 7, "basis": "magazine"}, INPUTS)
    assert problems[0] == "level: 7 is not of type 'string'"
    assert not any("rest on" in problem for problem in problems)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_none_is_refused(value: float) -> None:
    assert answer_problems(LEVEL, {**GOOD, "confidence": value}, INPUTS) == [
        "the answer holds a number or character that JSON in UTF-8 cannot carry"
    ]


def test_a_number_that_is_none_is_refused_deep_in_an_answer_too() -> None:
    answer = {"primary_genre": "war", "genres": [{"genre": "war", "confidence": math.nan}], "themes": []}
    assert answer_problems(get_analysis("genre_classification"), answer, INPUTS) == [
        "the answer holds a number or character that JSON in UTF-8 cannot carry"
    ]


def test_a_text_that_cannot_be_stored_is_refused() -> None:
    answer = {"primary_genre": "war", "genres": [{"genre": "war", "confidence": 1}], "themes": ["tea \ud800"]}
    problems = answer_problems(get_analysis("genre_classification"), answer, INPUTS)
    assert problems == ["the answer holds a number or character that JSON in UTF-8 cannot carry"]


def test_what_nobody_should_see_is_taken_out_of_every_text_of_an_answer() -> None:
    answer = {"level": "teen\u200b", "notes": ["a\x00b", {"why": "x\u202ey\x1b[2J", "n\ufeffo": 1}], "min_age": 12.5}
    assert readable_answer(answer) == {"level": "teen", "notes": ["ab", {"why": "xy[2J", "no": 1}], "min_age": 12.5}


def test_an_answer_that_holds_nothing_of_the_kind_stays_as_it_is() -> None:
    answer = {
        "reply": "二行の\n答え、\tタブ付き 👨‍👩‍👧",
        "list": [None, True, 1, 0.5, {"葛\U000e0100": "辻\U000e0101"}],
    }
    assert readable_answer(answer) == answer


def test_an_answer_nested_deeper_than_any_schema_is_cut_and_refused() -> None:
    nested: Any = "x"
    for _ in range(900):
        nested = [nested]
    answer = readable_answer({**GOOD, "level": nested})
    assert answer_problems(LEVEL, answer, INPUTS)[0].startswith("level: ")


@pytest.mark.parametrize(
    "blank", ["\u200b", "\x00\x1b", "  \n", "\u3000", "\u3164\u2800", "\u202e\u202c", "\ufeff\u00ad"]
)
@pytest.mark.parametrize(
    ("analysis", "answer"),
    [
        (get_analysis("genre_classification"), lambda text: _genres(themes=["tea", text * 2])),
        (get_analysis("content_summary"), lambda text: _summary(summary_en=text)),
        (CONVERSATION, lambda text: {"reply": text}),
    ],
    ids=["genre_classification", "content_summary", "conversation"],
)
def test_a_text_that_is_blank_without_what_nobody_can_see_is_refused(analysis: Any, answer: Any, blank: str) -> None:
    assert answer_problems(analysis, readable_answer(answer("a text")), INPUTS) == []
    (problem, *_) = answer_problems(analysis, readable_answer(answer(blank)), INPUTS)
    told = ("has no visible character", "should be non-empty", "is too short", "minLength must be 1")
    assert any(words in problem for words in told)


@given(st.one_of(st.text(), st.text(st.characters(codec="ascii"))))
def test_every_text_is_judged_by_the_one_rule_whether_something_of_it_can_be_seen(text: str) -> None:
    answer = {"reply": text}
    is_refused = text == "" or is_blank(text) or any("\ud800" <= character <= "\udfff" for character in text)
    assert bool(answer_problems(CONVERSATION, answer, INPUTS)) == is_refused


def _genres(themes: list[str]) -> dict[str, Any]:
    return {"primary_genre": "war", "genres": [{"genre": "war", "confidence": 0.9}], "themes": themes}


def _summary(summary_en: str) -> dict[str, Any]:
    return {"summary_en": summary_en, "summary_ja": None, "contains_spoilers": False, "content_warnings": []}


@pytest.mark.parametrize("analysis", [*ANALYSES.values(), CONVERSATION], ids=lambda analysis: analysis.name)
def test_no_schema_lets_an_empty_text_pass(analysis: Any) -> None:
    """What is taken out may leave nothing: then the schema must say that this is no answer."""
    free = list(_free_texts(analysis.output_schema))
    assert free or analysis.name == "reading_level"
    assert all(schema["minLength"] >= 1 for schema in free)


def _free_texts(schema: Any) -> Iterator[Any]:
    if "string" in schema.get("type", ()) and not schema.keys() & {"enum", "pattern"}:
        yield schema
    for child in (*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])):
        yield from _free_texts(child)
