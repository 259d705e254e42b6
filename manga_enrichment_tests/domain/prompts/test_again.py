"""Numbers tell a question from the same question before, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.domain.prompts.again import NEVER, Numbers, next_number, number_of, numbers_of
from manga_enrichment.domain.prompts.fingerprint import fingerprint
from manga_enrichment.domain.prompts.prompt import build_prompt, title_inputs
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import COMBINED, SINGLES, fingerprint_of, model_of, record

LEVEL, SUMMARY = ANALYSES["reading_level"], ANALYSES["content_summary"]
TITLES_NUMBERS = st.dictionaries(st.sampled_from(SINGLES), st.integers(1, 4))


def test_a_title_that_was_never_asked_again_keeps_its_identity() -> None:
    inputs = title_inputs(LEVEL, record(), again=number_of(LEVEL, NEVER))
    assert fingerprint(LEVEL, model_of(LEVEL), inputs) == fingerprint_of(LEVEL.name, record())


def test_each_number_is_another_question_with_the_same_prompt() -> None:
    asked = [title_inputs(LEVEL, record(), again=number) for number in range(3)]
    assert len({fingerprint(LEVEL, model_of(LEVEL), each) for each in asked}) == 3
    assert len({build_prompt(LEVEL, each, model_of(LEVEL)).user for each in asked}) == 1


@pytest.mark.parametrize(
    ("numbers", "single", "combined", "all_combined"),
    [
        ({}, 0, 0, [0]),
        ({"reading_level": 1}, 1, 1, [1, 0]),
        ({"content_summary": 2}, 0, 2, [2, 1, 0]),
        ({"reading_level": 3, "content_summary": 2}, 3, 3, [3, 2, 1, 0]),
        (dict.fromkeys(SINGLES, 4), 4, 4, [4]),
    ],
)
def test_a_combined_call_is_asked_under_the_highest_of_its_parts(
    numbers: Numbers, single: int, combined: int, all_combined: list[int]
) -> None:
    assert number_of(LEVEL, numbers) == single
    assert numbers_of(LEVEL, numbers) == [single]
    assert number_of(ANALYSES[COMBINED], numbers) == combined
    assert numbers_of(ANALYSES[COMBINED], numbers) == all_combined


@given(TITLES_NUMBERS, st.sampled_from(SINGLES))
def test_nothing_from_before_counts_after_the_next_number(numbers: dict[str, int], name: str) -> None:
    before = {number for each in ANALYSES.values() for number in numbers_of(each, numbers)}
    after = {**numbers, name: next_number(numbers)}
    assert all(number < after[name] for number in before)
    assert number_of(ANALYSES[COMBINED], after) == after[name]
