"""What is usual, what the cache saved, and when the books agree."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.domain.operations.costs import (
    TRAILING_RUNS,
    USUAL_FACTOR,
    Reconciliation,
    RunCost,
    UsualCost,
    cache_hit_rate,
    usual_cost,
)

AT = datetime(2026, 1, 15, tzinfo=UTC)


def runs(*per_title_micro_usd: int) -> list[RunCost]:
    """Newest first, ten titles each."""
    return [RunCost(f"run-{number}", 10, 10 * cost, AT) for number, cost in enumerate(per_title_micro_usd)]


def usual_of(costs: list[RunCost]) -> UsualCost:
    found = usual_cost(costs)
    assert found is not None
    return found


@pytest.mark.parametrize(("latest", "unusual"), [(100, False), (199, False), (201, True), (50, False), (49, True)])
def test_a_run_is_unusual_outside_twice_or_half_of_the_median(latest: int, unusual: bool) -> None:
    usual = usual_of(runs(latest, 100, 90, 5_000))
    assert usual.median_micro_usd == 100
    assert usual.is_unusual is unusual


def test_the_first_run_is_never_unusual() -> None:
    usual = usual_of(runs(100))
    assert (usual.median_micro_usd, usual.ratio, usual.is_unusual) == (None, None, False)


def test_runs_that_answered_nothing_are_passed_over() -> None:
    usual = usual_of([RunCost("empty", 0, 7, AT), *runs(100, 100)])
    assert usual.latest == RunCost("run-0", 10, 1000, AT)
    assert usual.runs_before == 1


def test_only_the_trailing_runs_count() -> None:
    usual = usual_of(runs(100, *[100] * TRAILING_RUNS, *[9_000] * 50))
    assert (usual.runs_before, usual.median_micro_usd) == (TRAILING_RUNS, 100)


def test_without_any_run_there_is_nothing_to_judge() -> None:
    assert usual_cost([]) is None
    assert usual_cost([RunCost("empty", 0, 7, AT)]) is None


@given(st.lists(st.integers(1, 10_000), min_size=2, max_size=30))
def test_unusual_means_outside_the_factor(costs: list[int]) -> None:
    usual = usual_of(runs(*costs))
    assert usual.median_micro_usd is not None
    inside = usual.median_micro_usd / USUAL_FACTOR <= costs[0] <= usual.median_micro_usd * USUAL_FACTOR
    borders = {usual.median_micro_usd / USUAL_FACTOR, usual.median_micro_usd * USUAL_FACTOR}
    assert usual.is_unusual is not inside or costs[0] in borders


def test_the_cache_hit_rate_is_the_share_that_was_read() -> None:
    assert cache_hit_rate(750, 250) == 0.75
    assert cache_hit_rate(0, 10) == 0.0
    assert cache_hit_rate(0, 0) is None


def test_a_counter_differs_by_what_the_log_has_more() -> None:
    open_one = Reconciliation("2026-01-15", "day:2026-01-15", 120, 100, 150)
    assert (open_one.difference_micro_usd, open_one.is_open) == (20, True)
    assert not Reconciliation("2026-01-15", "day:2026-01-15", 100, 100, 100).is_open
