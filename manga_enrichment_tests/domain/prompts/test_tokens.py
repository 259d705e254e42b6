"""Token estimates lean to the high side and stay within about a quarter of the rates they are built on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.domain.models.usage import Usage
from manga_enrichment.domain.prompts.prompt import Prompt
from manga_enrichment.domain.prompts.tokens import TokenEstimate, estimate_prompt, estimate_tokens

ENGLISH = "A retired knight runs a tea house at the edge of the old road and listens to travellers. " * 5
JAPANESE = "古い街道の果てにある茶屋で、引退した騎士が旅人に茶をふるまいながら話を聞く物語。" * 5


def test_english_is_estimated_high_but_within_a_quarter_of_five_characters_per_token() -> None:
    expected = len(ENGLISH) / 5
    assert expected <= estimate_tokens(ENGLISH) <= expected * 1.25 + 1


def test_japanese_is_estimated_high_but_within_a_quarter_of_the_usual_rate() -> None:
    expected = len(JAPANESE) / 0.85
    assert expected <= estimate_tokens(JAPANESE) <= expected * 1.25 + 1


@pytest.mark.parametrize("characters_per_token", [0.7, 1.0])
def test_japanese_is_within_a_quarter_at_both_ends_of_the_range_too(characters_per_token: float) -> None:
    expected = len(JAPANESE) / characters_per_token
    assert expected * 0.75 <= estimate_tokens(JAPANESE) <= expected * 1.25 + 1


def test_a_mixed_text_is_estimated_as_the_sum_of_its_parts() -> None:
    parts = estimate_tokens(ENGLISH) + estimate_tokens(JAPANESE)
    assert abs(estimate_tokens(ENGLISH + JAPANESE) - parts) <= 1


def test_nothing_takes_no_tokens() -> None:
    assert estimate_tokens("") == 0


def test_a_lone_surrogate_is_counted_rather_than_refused() -> None:
    assert estimate_tokens("\ud800") > 0


@given(st.text(), st.text())
def test_more_text_never_takes_fewer_tokens(text: str, more: str) -> None:
    assert 0 <= estimate_tokens(text) <= estimate_tokens(text + more)


@given(st.text(min_size=1))
def test_a_text_takes_at_least_a_token_per_four_characters_and_at_most_two_per_character(text: str) -> None:
    assert len(text) / 4 <= estimate_tokens(text) <= 2 * len(text)


def test_calibration_scales_what_is_guessed_and_keeps_what_is_exact() -> None:
    estimate = TokenEstimate(input_tokens=1000, max_output_tokens=400, expected_output_tokens=120)
    assert estimate.calibrated(0.8) == TokenEstimate(800, 400, 96)
    assert estimate.calibrated(5.0) == TokenEstimate(5000, 400, 400)


def test_the_worst_case_is_an_answer_that_runs_into_its_limit() -> None:
    estimate = TokenEstimate(input_tokens=1000, max_output_tokens=400, expected_output_tokens=120)
    assert estimate.worst_usage == Usage(1000, 400)
    assert estimate.expected_usage == Usage(1000, 120)


def test_a_prompt_counts_its_texts_and_its_tool_schema() -> None:
    schema = {"type": "object", "properties": {"level": {"enum": ["kids"] * 50}}}
    small = Prompt("system", "user", "record_x", "Record it.", {}, 300, None)
    large = Prompt("system" * 100, JAPANESE, "record_x", "Record it.", schema, 300, None)
    grown = estimate_prompt(large, 100).input_tokens - estimate_prompt(small, 100).input_tokens
    assert grown >= estimate_tokens("system" * 99) + estimate_tokens(JAPANESE) + 50


def test_an_answer_is_never_expected_to_be_longer_than_its_limit() -> None:
    prompt = Prompt("system", "user", "record_x", "Record it.", {}, 300, None)
    assert estimate_prompt(prompt, 10_000).expected_output_tokens == 300
