"""Token counts are realistic for both languages, grow with the text, and never depend on the machine."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.local.model_server.protocol.tokens import count_tokens, longest_prefix


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", 0), ("a", 1), ("a" * 45, 10), ("魔" * 8, 10), ("ア" * 80, 100), ("魔" * 4 + "a" * 9, 7), ("é" * 2, 2)],
)
def test_four_and_a_half_english_or_eight_tenths_of_a_japanese_character_are_a_token(text: str, tokens: int) -> None:
    assert count_tokens(text) == tokens


_OF_THREE_BYTES = st.text(st.characters(max_codepoint=0xFFFF), max_size=60)
"""At most, as Japanese is written: a rare character of four counts as two wide ones where there is room for them."""


@given(_OF_THREE_BYTES, _OF_THREE_BYTES)
def test_two_texts_together_take_as_many_tokens_as_apart_give_or_take_rounding(one: str, other: str) -> None:
    together, apart = count_tokens(one + other), count_tokens(one) + count_tokens(other)
    assert abs(together - apart) <= 2
    assert together >= max(count_tokens(one), count_tokens(other))


@given(st.text(max_size=60), st.integers(0, 40))
def test_the_longest_prefix_fits_and_one_more_character_would_not(text: str, limit: int) -> None:
    prefix = longest_prefix(text, limit)
    assert text.startswith(prefix)
    assert count_tokens(prefix) <= limit
    assert prefix == text or count_tokens(text[: len(prefix) + 1]) > limit
