"""What to do about titles without an answer: a phrase for every class, and how many of which."""

import pytest

from manga_enrichment.domain.operations.incidents import ADVICE
from manga_enrichment.domain.outcomes.error_classes import TREATMENTS, ErrorClass
from manga_enrichment.domain.outcomes.next_steps import NEXT_STEPS, by_class, counted, next_step


@pytest.mark.parametrize("error_class", list(ErrorClass))
def test_every_class_has_a_next_step_and_alerts_say_the_same(error_class: ErrorClass) -> None:
    assert next_step(error_class.value, asked_again=TREATMENTS[error_class].transient) == NEXT_STEPS[error_class]
    assert ADVICE[error_class] == NEXT_STEPS[error_class]


@pytest.mark.parametrize("error_class", [each for each in ErrorClass if not TREATMENTS[each].transient])
def test_what_is_final_is_not_said_to_be_asked_again_unless_it_is(error_class: ErrorClass) -> None:
    assert "the next run asks again" not in next_step(error_class.value, asked_again=False)
    assert next_step(error_class.value, asked_again=True) == "nothing: the next run asks for each analysis by itself"


def test_a_class_of_another_release_sends_to_the_log() -> None:
    assert "failures_and_waste" in next_step("of_the_future", asked_again=False)


def test_counts_are_summed_by_class_and_told_the_most_first() -> None:
    counts = by_class({("refusal", "a"): 2, ("read_timeout", "a"): 1, ("refusal", "b"): 1_110})
    assert counted(counts) == "1,112 refusal, 1 read timeout"
    assert counted({}) == ""
