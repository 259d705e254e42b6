"""Estimates of what carries a request: from the packaged list, no less than the parts of docs/api.md say."""

from dataclasses import replace
from datetime import date

import pytest

from manga_enrichment.api.workflow.machine import DEFAULT_WAIT_SECONDS
from manga_enrichment.domain.operations.costs import COST_COLUMNS, ESTIMATES
from manga_enrichment.domain.operations.service_costs import (
    LONGEST_WAIT_SECONDS,
    SQS_CALLS,
    ServedRequest,
    ServiceEstimate,
    estimate,
    load_prices,
)

MILLION = 1_000_000
PRICES = load_prices()
BATCH = ServedRequest(generation=1, by_api=True, is_conversation=False, seconds=900.0)
QUESTION = replace(BATCH, is_conversation=True, seconds=1.5)


def test_the_list_is_dated_and_has_a_price_for_everything() -> None:
    assert date.fromisoformat(PRICES.as_of) <= date(2026, 11, 28)
    assert min(PRICES.sqs_request, PRICES.api_call, PRICES.workflow_start, PRICES.workflow_gb_second) > 0


def test_a_million_batches_cost_what_the_list_says() -> None:
    found = estimate([BATCH] * 1000, PRICES)
    # A POST and a GET; a start and 0.2 s with 64 MB.
    assert found == ServiceEstimate(1000, SQS_CALLS * 500, 2 * 3500, 1000 + 209)


def test_a_question_holds_its_workflow_until_the_answer_and_no_longer_than_it_waits() -> None:
    short, long = estimate([QUESTION] * 1000, PRICES), estimate([replace(QUESTION, seconds=7200.0)] * 1000, PRICES)
    assert (short.api_micro_usd, short.workflow_micro_usd) == (3500, 1000 + 1563)
    assert long.workflow_micro_usd == 1000 + 10_419
    assert LONGEST_WAIT_SECONDS == DEFAULT_WAIT_SECONDS


@pytest.mark.parametrize(("seconds", "billed"), [(0.0, 0), (0.01, 0.1), (0.1, 0.1), (0.11, 0.2), (0.3, 0.3)])
def test_a_workflow_is_billed_by_the_tenth_of_a_second(seconds: float, billed: float) -> None:
    found = estimate([replace(QUESTION, seconds=seconds)] * MILLION, PRICES)
    assert found.workflow_micro_usd == pytest.approx(1_000_000 + billed * 16_670_000 / 16, abs=1)


def test_what_came_by_the_queue_alone_costs_the_queue_alone_once_for_each_generation() -> None:
    direct = replace(BATCH, by_api=False)
    assert estimate([direct] * 1000, PRICES) == ServiceEstimate(1000, 2000, 0, 0)
    assert estimate([replace(direct, generation=3)] * 1000, PRICES).sqs_micro_usd == 6000


def test_a_part_of_a_micro_dollar_is_a_whole_one_and_nothing_is_nothing() -> None:
    assert estimate([BATCH], PRICES) == ServiceEstimate(1, 2, 7, 2)
    assert estimate([], PRICES) == ServiceEstimate(0, 0, 0, 0)


def test_estimates_have_columns_of_their_own() -> None:
    assert [column.name for column in COST_COLUMNS][-len(ESTIMATES) :] == list(ESTIMATES)
    assert all("no part of cost_micro_usd" in each.doc for each in COST_COLUMNS if "_estimate_" in each.name)
