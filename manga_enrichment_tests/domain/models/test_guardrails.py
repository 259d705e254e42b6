"""Text units of a guardrail and their price."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.domain.models.guardrails import UNIT_CHARACTERS, Guardrail
from manga_enrichment.domain.models.loading import load_models
from manga_enrichment.domain.models.usage import UnpricedUsageError

PRICES = {"content": 150_000, "topic": 150_000, "word": 0}
GUARDRAIL = Guardrail("gr1", "1", PRICES)


@pytest.mark.parametrize(
    ("units", "micro_usd"),
    [
        ({}, 0),
        ({"content": 1}, 150),
        ({"content": 3, "topic": 2}, 750),
        ({"word": 400}, 0),
        ({"content": 0, "images": 0}, 0),
    ],
)
def test_each_policy_is_paid_by_its_units(units: dict[str, int], micro_usd: int) -> None:
    assert GUARDRAIL.cost_micro_usd(units) == micro_usd


def test_a_cost_is_rounded_up_once_for_a_call() -> None:
    cheap = Guardrail("gr1", "1", {"content": 400, "topic": 300})
    assert cheap.cost_micro_usd({"content": 1, "topic": 1}) == 1
    assert cheap.cost_micro_usd({"content": 2, "topic": 1}) == 2


def test_a_policy_without_a_price_has_no_cost_but_an_error_that_names_it() -> None:
    with pytest.raises(UnpricedUsageError, match="2 text units of the guardrail's images have no price"):
        GUARDRAIL.cost_micro_usd({"content": 1, "images": 2})


@given(st.text(max_size=3_500), st.integers(1, 2_000))
def test_the_estimate_is_at_least_what_all_its_policies_take_of_question_and_reply(question: str, tokens: int) -> None:
    units = max(1, -(-len(question) // UNIT_CHARACTERS)) + max(1, -(-tokens * 4 // UNIT_CHARACTERS))
    assert GUARDRAIL.estimate_micro_usd(question, tokens) == units * 300


def test_the_packaged_prices_are_of_policies_that_a_reply_tells_of() -> None:
    prices = load_models().guardrail_prices
    assert prices["content"] > 0
    assert prices["word"] == 0
    assert load_models({"haiku": load_models().aliases["sonnet"]}).guardrail_prices == prices
