"""What a call will take: tokens and money, of the first attempt and of those after it."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.domain.models.calibration import Calibration
from manga_enrichment.domain.models.usage import Usage
from manga_enrichment.gateways.model import Repair
from manga_enrichment.pipeline.engine.money.estimates import CallEstimate, estimate_attempt, estimate_call
from manga_enrichment_tests.pipeline.engine.call_world import make_call

CALL = make_call()


def test_a_first_attempt_is_estimated_as_the_call() -> None:
    assert estimate_attempt(CALL.estimate, CALL.prompt.max_tokens, None) == CALL.estimate


def test_an_answer_that_hit_its_limit_is_expected_to_be_longer_than_that() -> None:
    limit = CALL.prompt.max_tokens
    again = estimate_attempt(CALL.estimate, 2 * limit, None)
    assert (again.output_tokens, again.max_tokens) == (limit, 2 * limit)
    assert again.quota_tokens == CALL.estimate.quota_tokens + limit


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=300), max_size=5), st.lists(st.text(max_size=200)))
def test_a_repair_costs_more_the_more_it_shows(answer: dict[str, str], problems: list[str]) -> None:
    shown = estimate_attempt(CALL.estimate, CALL.prompt.max_tokens, Repair(answer, tuple(problems)))
    more = estimate_attempt(CALL.estimate, CALL.prompt.max_tokens, Repair(answer, (*problems, "and this " * 10)))
    assert CALL.estimate.input_tokens < shown.input_tokens < more.input_tokens
    assert shown.output_tokens == CALL.estimate.output_tokens


def test_the_quota_is_charged_for_the_whole_output_limit_but_not_for_what_the_cache_holds() -> None:
    estimate = CallEstimate(prefix_tokens=1_000, user_tokens=200, output_tokens=50, max_tokens=400, prefix_cached=False)
    assert estimate.quota_tokens == 1_600
    assert estimate.usage == Usage(1_200, 50)
    cached = replace(estimate, prefix_cached=True)
    assert cached.quota_tokens == 600
    assert cached.usage == Usage(200, 50, cache_read_tokens=1_000)


def test_what_was_billed_before_replaces_the_rules_of_thumb() -> None:
    learned = Calibration(samples=100, input_factor=2.0, output_tokens=33, latency_p50_ms=100)
    thumb = estimate_call(CALL.analysis, CALL.model, CALL.prompt)
    calibrated = estimate_call(CALL.analysis, CALL.model, CALL.prompt, learned)
    assert calibrated.input_tokens == 2 * thumb.input_tokens
    assert calibrated.output_tokens == 33
    assert calibrated.uncalibrated_input_tokens == thumb.input_tokens


def test_an_answer_is_never_expected_beyond_its_limit() -> None:
    learned = Calibration(samples=100, input_factor=1.0, output_tokens=10**6, latency_p50_ms=100)
    assert estimate_call(CALL.analysis, CALL.model, CALL.prompt, learned).output_tokens == CALL.prompt.max_tokens
