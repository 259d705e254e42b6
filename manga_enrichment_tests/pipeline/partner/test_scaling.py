"""The number of runs follows the backlog."""

import pytest

from manga_enrichment.gateways.queue import QueueDepth
from manga_enrichment.pipeline.partner.scaling import BacklogRule, visible_per_run

RULE = BacklogRule(messages_per_run=10, min_runs=1, max_runs=20)


@pytest.mark.parametrize(
    ("visible", "in_flight", "wanted"), [(0, 0, 1), (1, 0, 1), (10, 0, 1), (11, 0, 2), (5, 6, 1), (5000, 0, 20)]
)
def test_one_run_is_wanted_per_ten_messages_that_can_start_within_bounds(
    visible: int, in_flight: int, wanted: int
) -> None:
    assert RULE.wanted_runs(QueueDepth(visible, in_flight, 0)) == wanted


def test_nothing_starts_when_nothing_waits() -> None:
    assert RULE.free_runs(QueueDepth(0, 100, 5), 0) == 0


@pytest.mark.parametrize("visible", range(1, 10))
@pytest.mark.parametrize("in_flight", [1, 9, 100])
def test_nobody_waits_for_the_run_that_works_at_another_request(visible: int, in_flight: int) -> None:
    """The first request of a queue may be throttled for hours; the next ones need not even a call to the model."""
    assert RULE.free_runs(QueueDepth(visible, in_flight, 0), 1) == 1


def test_a_long_backlog_starts_more_runs_up_to_the_bound() -> None:
    assert RULE.free_runs(QueueDepth(35, 0, 0), 1) == 4
    assert RULE.free_runs(QueueDepth(350, 0, 0), 12) == 8
    assert RULE.free_runs(QueueDepth(35, 0, 0), 20) == RULE.free_runs(QueueDepth(35, 0, 0), 21) == 0


def test_the_metric_divides_what_waits_by_the_runs_there_are() -> None:
    assert visible_per_run(QueueDepth(30, 7, 2), 3) == 10
    assert visible_per_run(QueueDepth(30, 7, 2), 0) == 30
