"""An answer is booked at what the model says it used, as far as that can be true."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.domain.models.usage import Usage, cost_micro_usd
from manga_enrichment.pipeline.engine.money.billing import ESTIMATED, BookedUsage, book_call, book_record
from manga_enrichment_tests.pipeline.engine.engine_rig import MODEL, call_of

ESTIMATE = call_of(1).estimate
BOOKED_ESTIMATE = ESTIMATE.cost_micro_usd(MODEL)
BATCH = replace(MODEL, price=replace(MODEL.price, batch_input_micro_usd=10, batch_output_micro_usd=20))
UNCACHED = replace(BATCH, price=replace(BATCH.price, cache_write_micro_usd=None))


@given(st.integers(0, ESTIMATE.input_tokens * 3), st.integers(0, ESTIMATE.max_tokens))
def test_usage_that_can_be_true_is_booked_as_told(input_tokens: int, output_tokens: int) -> None:
    said = Usage(input_tokens, output_tokens)
    assert book_call(said, MODEL, ESTIMATE) == BookedUsage(said, cost_micro_usd(said, MODEL.price))


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (Usage(2**64 - 1, 10), "input tokens where at most"),
        (Usage(10, ESTIMATE.max_tokens + 1), f"{ESTIMATE.max_tokens + 1} output tokens where at most"),
        (Usage(10, 10, 2**40, 0), "input tokens where at most"),
        (Usage(10, 10, 0, 2**40), "input tokens where at most"),
        (Usage(-1, 10), f"{ESTIMATED}the model told a negative number of tokens"),
        (Usage(10, -1), f"{ESTIMATED}the model told a negative number of tokens"),
    ],
)
def test_impossible_usage_is_booked_at_the_estimate_and_says_why(said: Usage, why: str) -> None:
    booked = book_call(said, MODEL, ESTIMATE)
    assert (booked.usage, booked.cost_micro_usd, booked.is_estimate) == (ESTIMATE.usage, BOOKED_ESTIMATE, True)
    assert booked.problem.startswith(ESTIMATED)
    assert why in booked.problem


def test_a_model_that_thinks_may_use_that_much_more() -> None:
    said = Usage(10, ESTIMATE.max_tokens + 1_000)
    assert book_call(said, replace(MODEL, thinking_tokens=1_000), ESTIMATE).usage == said
    assert book_call(said, replace(MODEL, thinking_tokens=999), ESTIMATE).is_estimate


def test_usage_without_a_price_is_booked_at_the_estimate() -> None:
    said = Usage(900, 60, 0, 5)
    sentence = f"{ESTIMATED}5 cache write tokens were used but the model has no cache write price"
    assert book_call(said, UNCACHED, ESTIMATE).problem == sentence
    assert book_record(said, UNCACHED, 77) == BookedUsage(Usage(), 77, sentence)


def test_of_a_batch_record_only_the_models_limits_are_known() -> None:
    most = Usage(MODEL.max_input_tokens, MODEL.max_output_tokens)
    assert book_record(most, BATCH, 77) == BookedUsage(most, cost_micro_usd(most, BATCH.price, batch=True))
    assert book_record(replace(most, output_tokens=most.output_tokens + 1), BATCH, 77).cost_micro_usd == 77
