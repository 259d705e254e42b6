"""Integer money: rounded up once per call, never guessed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.domain.models.usage import (
    NO_USAGE,
    Price,
    UnpricedUsageError,
    Usage,
    cost_micro_usd,
    micro_usd_from_usd,
    usd,
)

tokens = st.integers(0, 10**6)
usages = st.builds(Usage, tokens, tokens, tokens, tokens)
prices = st.builds(Price, *[st.integers(0, 10**8)] * 6)
HAIKU = Price(1_000_000, 5_000_000, 100_000, 1_250_000, 500_000, 2_500_000)


def test_a_cost_is_the_sum_of_its_kinds_of_tokens() -> None:
    assert cost_micro_usd(Usage(1_000, 200, 3_000, 400), HAIKU) == 1_000 + 1_000 + 300 + 500


def test_a_batch_is_paid_at_its_own_price() -> None:
    assert cost_micro_usd(Usage(1_000, 200), HAIKU, batch=True) == 1_000


def test_a_fraction_is_rounded_up_once_per_call() -> None:
    assert cost_micro_usd(Usage(1, 1), Price(1, 1)) == 1
    assert cost_micro_usd(NO_USAGE, HAIKU) == 0


@given(usages, prices)
def test_costs_are_exact_to_the_micro_dollar_rounded_up(usage: Usage, price: Price) -> None:
    exact = (
        usage.input_tokens * price.input_micro_usd
        + usage.output_tokens * price.output_micro_usd
        + usage.cache_read_tokens * (price.cache_read_micro_usd or 0)
        + usage.cache_write_tokens * (price.cache_write_micro_usd or 0)
    )
    assert 0 <= cost_micro_usd(usage, price) * 1_000_000 - exact < 1_000_000


@given(usages, usages, prices)
def test_two_calls_cost_at_most_a_micro_dollar_more_than_one_with_their_sum(
    one: Usage, other: Usage, price: Price
) -> None:
    apart = cost_micro_usd(one, price) + cost_micro_usd(other, price)
    assert 0 <= apart - cost_micro_usd(one + other, price) <= 1


@pytest.mark.parametrize(
    ("usage", "batch", "kind"),
    [
        (Usage(cache_read_tokens=1), False, "cache read"),
        (Usage(cache_write_tokens=1), False, "cache write"),
        (Usage(input_tokens=1), True, "input"),
        (Usage(output_tokens=1), True, "output"),
    ],
)
def test_tokens_without_a_price_are_an_error(usage: Usage, batch: bool, kind: str) -> None:
    with pytest.raises(UnpricedUsageError, match=kind):
        cost_micro_usd(usage, Price(1, 1), batch=batch)


def test_a_model_has_a_batch_price_only_with_both_halves() -> None:
    assert HAIKU.has_batch
    assert not Price(1, 1, batch_input_micro_usd=1).has_batch


@given(st.integers(0, 2**50))
def test_micro_dollars_survive_the_way_over_dollars(amount: int) -> None:
    assert micro_usd_from_usd(usd(amount)) == amount
