"""The parts of a request's time add up, percentiles are times that were seen, and what is too long is named."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.domain.operations.partner_latency import (
    MOST_P95_SECONDS,
    PARTNER_LATENCY_COLUMNS,
    WINDOW,
    AnsweredRequest,
    QueueLatency,
    Spread,
    latency_by_queue,
    latency_problems,
)
from manga_enrichment.domain.requests.queues import HIGH_PRIORITY, LOW_PRIORITY, NORMAL, REQUEST_QUEUES

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
SECONDS = st.floats(-5, 10_000, allow_nan=False)


def answered(waiting: float, rest: float, model: float = 0.0, queue: str = NORMAL.name) -> AnsweredRequest:
    claimed_at = NOON + timedelta(seconds=waiting)
    return AnsweredRequest(queue, NOON, claimed_at, claimed_at + timedelta(seconds=rest), model)


@given(SECONDS, SECONDS, st.floats(0, 20_000))
def test_whatever_clocks_say_no_part_is_negative_and_they_add_up(waiting: float, rest: float, model: float) -> None:
    request = answered(waiting, rest, model)
    parts = (request.waiting_seconds, request.at_model_seconds, request.ours_seconds)
    assert min(parts) >= 0
    assert sum(parts) == pytest.approx(request.total_seconds)


def test_a_time_is_split_where_it_went() -> None:
    request = answered(waiting=2, rest=10, model=7)
    parts = request.total_seconds, request.waiting_seconds, request.at_model_seconds, request.ours_seconds
    assert parts == (12, 2, 7, 3)


def test_each_queue_has_its_own_percentiles() -> None:
    requests = [answered(number, 1, 0.5) for number in range(1, 101)]
    requests += [answered(0, 3, 2, HIGH_PRIORITY.name)]
    urgent, normal = latency_by_queue(requests, NOON, WINDOW)
    assert (urgent.queue, urgent.requests, urgent.total) == (HIGH_PRIORITY.name, 1, Spread(3, 3))
    assert (normal.requests, normal.total, normal.waiting) == (100, Spread(51, 96), Spread(50, 95))
    assert (normal.model, normal.ours) == (Spread(0.5, 0.5), Spread(0.5, 0.5))
    assert latency_by_queue([], NOON, WINDOW) == []


def test_a_look_has_a_column_for_each_of_its_numbers() -> None:
    [seen] = latency_by_queue([answered(1, 1)], NOON, WINDOW)
    assert {column.name for column in PARTNER_LATENCY_COLUMNS} == {*seen.to_row(), "dagster_run_id"}
    assert QueueLatency.from_row(seen.to_row()) == seen


@pytest.mark.parametrize(
    ("part", "request_"),
    [
        ("waiting for a worker", answered(61, 1, 0.5, HIGH_PRIORITY.name)),
        ("at the model", answered(1, 70, 60, HIGH_PRIORITY.name)),
        ("ours", answered(1, 70, 5, HIGH_PRIORITY.name)),
    ],
)
def test_what_is_too_slow_is_named_with_the_part_that_takes_longest(part: str, request_: AnsweredRequest) -> None:
    [problem] = latency_problems(latency_by_queue([request_], NOON, WINDOW))
    assert problem.startswith(f"{HIGH_PRIORITY.name}: 95 % of 1 requests within ")
    assert problem.endswith(f"more than 60; most of it {part}")


def test_the_bound_itself_is_fine_and_a_queue_without_one_may_take_its_time() -> None:
    assert set(MOST_P95_SECONDS) == {queue.name for queue in REQUEST_QUEUES} - {LOW_PRIORITY.name}
    slow = latency_by_queue([answered(0, 100_000, queue=LOW_PRIORITY.name)], NOON, WINDOW)
    [just] = latency_by_queue([answered(0, 60, queue=HIGH_PRIORITY.name)], NOON, WINDOW)
    assert latency_problems([*slow, just]) == []
    assert len(latency_problems([replace(just, total=Spread(1, 60.001))])) == 1
