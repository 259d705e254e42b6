"""The one table of error classes: complete, and consistent with what is promised."""

import pytest

from manga_enrichment.domain.outcomes.error_classes import TREATMENTS, ErrorClass, ModelError, Retry
from manga_enrichment.domain.outcomes.outcome import Outcome


def test_every_error_class_has_a_treatment() -> None:
    assert set(TREATMENTS) == set(ErrorClass)


@pytest.mark.parametrize("error_class", [each for each in ErrorClass if TREATMENTS[each].outcome is Outcome.DEFERRED])
def test_what_is_deferred_may_be_asked_again(error_class: ErrorClass) -> None:
    assert TREATMENTS[error_class].transient


@pytest.mark.parametrize("error_class", [each for each in ErrorClass if TREATMENTS[each].maybe_billed])
def test_what_may_be_billed_is_tried_at_most_once_more(error_class: ErrorClass) -> None:
    assert TREATMENTS[error_class].retry in {Retry.ONCE, Retry.NEVER}


@pytest.mark.parametrize("error_class", [each for each in ErrorClass if TREATMENTS[each].stops_analysis])
def test_what_stops_an_analysis_is_not_remembered_against_a_title(error_class: ErrorClass) -> None:
    assert TREATMENTS[error_class].transient


def test_throttling_and_an_empty_budget_never_fail_a_title() -> None:
    for error_class in (ErrorClass.THROTTLED, ErrorClass.BUDGET, ErrorClass.DEADLINE, ErrorClass.CLAIMED_ELSEWHERE):
        assert TREATMENTS[error_class].outcome is Outcome.DEFERRED


def test_a_model_error_carries_its_class_and_the_servers_wish() -> None:
    error = ModelError(ErrorClass.THROTTLED, "slow down", retry_after_seconds=3)
    assert (error.error_class, str(error), error.retry_after_seconds) == (ErrorClass.THROTTLED, "slow down", 3)
