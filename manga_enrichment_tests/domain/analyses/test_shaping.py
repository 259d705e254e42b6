"""A paid answer that holds what was asked is never thrown away for its wrapping."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.analyses.shaping import shaped
from manga_enrichment.domain.analyses.validation import answer_problems, shaped_answer
from manga_enrichment.domain.models.loading import load_models
from manga_enrichment.domain.prompts.prompt import build_prompt, title_inputs
from manga_enrichment_tests.analyses import FOR_PARTNERS
from manga_enrichment_tests.builders import candidates_of, record
from manga_enrichment_tests.scripted_model import valid_answer

RECORDS = [record(number) for number in range(1, 5)]
Wrapping = Callable[[dict[str, Any]], Any]


def quoted(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def each_field(change: Callable[[Any], Any], kinds: tuple[type, ...]) -> Wrapping:
    return lambda answer: {name: change(each) if isinstance(each, kinds) else each for name, each in answer.items()}


WRAPPINGS: dict[str, Wrapping] = {
    "none": lambda answer: answer,
    "json": quoted,
    "json_twice": lambda answer: quoted(quoted(answer)),
    "fence": lambda answer: f"```json\n{quoted(answer)}\n```",
    "fence_in_words": lambda answer: f"Here is {{my}} answer:\n```\n{quoted(answer)}\n```\nI hope it helps.",
    "words_around": lambda answer: f"Sure {{as asked}}: {quoted(answer)} Anything else?",
    "lists_and_objects_quoted": each_field(quoted, (list, dict)),
    "a_name_around": lambda answer: {"input": answer},
    "a_name_around_json": lambda answer: {"parameters": quoted(answer)},
    "a_list_of_one": lambda answer: [answer],
    "more_than_asked": lambda answer: {"reasoning": "I looked at it closely.", **answer},
    "lists_in_items": each_field(lambda each: {"items": each}, (list,)),
    "numbers_quoted": each_field(quoted, (int, float, bool, type(None))),
}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
@pytest.mark.parametrize("name", FOR_PARTNERS)
def test_every_answer_is_found_in_every_wrapping(name: str, wrapping: str) -> None:
    analysis = FOR_PARTNERS[name]
    inputs = title_inputs(analysis, RECORDS[0], candidates_of(RECORDS)[RECORDS[0].manga_id])
    answer = valid_answer(build_prompt(analysis, inputs, load_models().resolve(analysis.model_alias)))
    found = shaped_answer(analysis, [WRAPPINGS[wrapping](answer)])
    assert found == answer
    assert answer_problems(analysis, found, inputs) == []


def full() -> tuple[AnalysisType, dict[str, Any]]:
    analysis = FOR_PARTNERS["full_enrichment"]
    inputs = title_inputs(analysis, RECORDS[0], candidates_of(RECORDS)[RECORDS[0].manga_id])
    return analysis, valid_answer(build_prompt(analysis, inputs, load_models().resolve(analysis.model_alias)))


@pytest.mark.parametrize("part", full()[1])
def test_fields_that_slid_one_level_up_are_put_together_again(part: str) -> None:
    analysis, answer = full()
    slid = {**answer[part], **{name: each for name, each in answer.items() if name != part}}
    assert shaped_answer(analysis, [slid]) == answer


@pytest.mark.parametrize("part", list(full()[1])[1:])
def test_fields_that_slid_one_level_down_are_lifted(part: str) -> None:
    analysis, answer = full()
    first = next(iter(answer))
    low = {name: each for name, each in answer.items() if name != part}
    low[first] = {**answer[first], part: answer[part]}
    assert shaped_answer(analysis, [low]) == answer


def test_the_first_of_several_that_fits_is_the_answer() -> None:
    analysis, answer = full()
    assert shaped_answer(analysis, [{}, None, "words", {"input": answer}]) == answer


def test_what_does_not_fit_stays_as_it_came_to_be_repaired() -> None:
    analysis = FOR_PARTNERS["reading_level"]
    assert shaped_answer(analysis, [{"level": "nobody", "more": 1}]) == {"level": "nobody", "more": 1}
    assert shaped_answer(analysis, ['```{"level": "nobody"}```']) == {"level": "nobody"}


@pytest.mark.parametrize("found", [[], [None], ["I would rather not."], ["{not json}"], [[]], [[1, 2]], [7]])
def test_words_and_scraps_are_no_answer(found: list[Any]) -> None:
    assert shaped_answer(FOR_PARTNERS["reading_level"], found) is None


def test_a_text_that_looks_like_json_stays_a_text_where_a_text_is_asked_for() -> None:
    schema = {"type": "object", "properties": {"said": {"type": "string"}, "may": {"type": ["string", "null"]}}}
    assert shaped(schema, {"said": '["a"]', "may": "null"}) == {"said": '["a"]', "may": None}
    assert shaped(schema, {"said": "null"}) == {"said": "null"}


names = st.text(max_size=8) | st.sampled_from(["level", "genres", "input"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)


@given(value=json_values, name=st.sampled_from(list(FOR_PARTNERS)))
def test_whatever_a_model_returns_nothing_breaks_and_a_second_look_changes_nothing(value: Any, name: str) -> None:
    analysis = FOR_PARTNERS[name]
    found = shaped_answer(analysis, [value])
    assert found is None or isinstance(found, dict)
    if found is not None:
        assert repr(shaped_answer(analysis, [found])) == repr(found)


@pytest.mark.parametrize("sign", ["{", "[", '{"a":'])
def test_a_text_of_many_braces_is_no_answer(sign: str) -> None:
    assert shaped_answer(FOR_PARTNERS["reading_level"], [sign * 20_000]) is None
