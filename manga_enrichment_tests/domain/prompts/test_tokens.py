"""Token estimates lean to the high side and stay within about a quarter of the rates they are built on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.domain.prompts.prompt import Prompt
from manga_enrichment.domain.prompts.prompt_tokens import estimate_prompt
from manga_enrichment.domain.prompts.tokens import estimate_tokens

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


def test_a_prompt_counts_its_texts_and_its_tool_schema() -> None:
    schema = {"type": "object", "properties": {"level": {"enum": ["kids"] * 50}}}
    small = Prompt("system", "user", "record_x", "Record it.", {}, 300, None)
    large = Prompt("system" * 100, JAPANESE, "record_x", "Record it.", schema, 300, None)
    grown = estimate_prompt(large) - estimate_prompt(small)
    assert grown >= estimate_tokens("system" * 99) + estimate_tokens(JAPANESE) + 50
